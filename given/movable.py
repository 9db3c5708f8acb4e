# ---- The notebook's cell begins here. ----

"""Pictures that move, drawn by a short script of their own. You need not read this cell."""

import json
import uuid


class Movable:
    """A picture that moves with its sliders: HTML and a short script. It needs no kernel and no network."""

    def __init__(self, body, script, alt, **data):
        self.alt = alt
        self.page = (
            f'<div id="{{id}}" style="max-width: 860px; font: 14px sans-serif">{body}</div><script>(function () {{'
            f'const box = document.getElementById("{{id}}"), data = {json.dumps(data)}; {script} }})();</script>'
        )

    def __repr__(self):
        return f"[picture that moves: {self.alt}]"

    def _repr_html_(self):
        return self.page.replace("{id}", f"movable-{uuid.uuid4().hex}")
