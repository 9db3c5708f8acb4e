AdamW = None  # the notebook makes it
clip_gradients = None  # the notebook makes it

# ---- The notebook's cell begins here. ----


class ClippedAdamW:
    """Your AdamW behind your clip_gradients, with the `param_groups` of torch's optimizers, which `fit` reads."""

    def __init__(self, params, lr, max_norm=1.0, weight_decay=0.01):
        self.params, self.max_norm, self.norms = list(params), max_norm, []
        self.adamw = AdamW(self.params, lr=lr, weight_decay=weight_decay)
        self.param_groups = [{"lr": lr}]

    def zero_grad(self):
        self.adamw.zero_grad()

    def step(self):
        self.norms.append(float(clip_gradients(self.params, self.max_norm)))
        self.adamw.lr = self.param_groups[0]["lr"]
        self.adamw.step()
