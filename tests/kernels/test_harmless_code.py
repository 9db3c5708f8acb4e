"""What is plain is known to be harmless; everything else is doubted, and named."""

import pytest

from grading.course import catalogue, notebooks
from grading.kernels.harmless_code import doubt
from grading.kernels.without_optimizers import trusted
from tests.conftest import ROOT

GIVEN = "import matplotlib.pyplot as plt\nimport numpy as np\nimport torch\nimport sys as given_sys"

PLAIN = [
    "",
    "import math\nclass A(B):\n    def __init__(self, params, eta=0.1):\n        super().__init__(params)\n"
    "        self.eta, self._v, self.state = eta, [0.0 for p in params], {}\n"
    "    def step(self):\n        for i, p in enumerate(self.params):\n            p.value -= self.eta * p.grad",
    "a = np.sqrt(np.zeros((2, 3))[0].sum()) + np.linalg.norm([1.0, 2.0]).item()",
    "import numpy as npy\nfrom math import sqrt as root\nroot(npy.pi)",
    "x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)\n(x * x).backward()\nx.grad.item()",
    "with torch.no_grad():\n    y = torch.sqrt(torch.ones(2)).tolist()",
    "try:\n    raise ValueError('no')\nexcept Exception as error:\n    print(error.args, type(error), f'{error!r}')",
    "squares = {id(p): p**2 for p in [1, 2]}\nprint(sorted(squares.items(), key=lambda pair: -pair[1]))",
    "class C:\n    @property\n    def value(self): return 1\n    def __len__(self): return 2",
]

DOUBTFUL = {
    "import sys": "import sys",
    "import os, math": "import os",
    "import numpy.ctypeslib": "import numpy.ctypeslib",
    "from torch import optim": "import optim",
    "from math import *": "import *",
    "from . import math": "import math",
    "import os as math": "import os",
    "import math as np": "import math",
    "given_sys.modules": "given_sys.modules",
    "a = np": "np",
    "def f(np): pass": "np",
    "np.lib.format": "np.lib.format",
    "np.load('x.npy', allow_pickle=True)": "np.load",
    "np.sqrt = None": "np.sqrt",
    "del math.sqrt": "math.sqrt",
    "np.sqrt.__self__": "np.sqrt.__self__",
    "torch.optim.SGD": "torch.optim.SGD",
    "torch._fused_sgd_": "torch._fused_sgd_",
    "torch.ops.aten": "torch.ops.aten",
    "plt.np.os": "plt.np.os",
    "np.zeros(1).ctypes._ctypes": "_ctypes",
    "np.zeros(1).tofile('torch.py')": "tofile",
    "torch.zeros(1).untyped_storage().from_file('x', True, 9)": "from_file",
    "(lambda: 1).__globals__": "__globals__",
    "''.__class__.__mro__": "__mro__",
    "(i for i in []).gi_frame.f_back": "f_back",
    "try:\n    1 / 0\nexcept Exception as e:\n    t = e.__traceback__": "__traceback__",
    "class C:\n    def __exit__(self, kind, error, tb):\n        self.tb = tb.tb_frame": "__exit__",
    "try:\n    x.y\nexcept AttributeError as e:\n    e.obj": "obj",
    "match print:\n    case object(__self__=builtins):\n        pass": "match",
    "class C:\n    __array_interface__ = {}": "__array_interface__",
    "type('C', (), {'__array_interface__': {}})": "type",
    "T = type": "type",
    "name = '__globals__'": "__globals__",
    "getattr(print, 'x')": "getattr",
    "setattr(p, 'grad', 0)": "setattr",
    "exec('1')": "exec",
    "x = eval": "eval",
    "open('f')": "open",
    "globals()": "globals",
    "vars(p)": "vars",
    "for globals in []: pass": "globals",
    "get_ipython()": "get_ipython",
    "In[0]": "In",
    "exit": "exit",
    "__builtins__": "__builtins__",
    "def __builtins__(): pass": "__builtins__",
    "%run helper.py": "get_ipython",
    "!ls": "get_ipython",
    "%%bash\nls": "get_ipython",
    "x = 1\nmath?": "get_ipython",
    "In [1]: open('f')": "open",
    "def f(:": "a cell that is no Python",
    "(" * 5000 + ")" * 5000: "a cell that is no Python",
    "x = " + "+".join(["1"] * 900): "a cell that is too deep to be read",
}


@pytest.mark.parametrize("source", PLAIN)
def test_plain(source):
    assert doubt([GIVEN, source], {GIVEN}) is None


@pytest.mark.parametrize(("source", "word"), DOUBTFUL.items(), ids=[source[:40] for source in DOUBTFUL])
def test_doubtful(source, word):
    assert doubt([GIVEN, "x = 1", source], {GIVEN}) == word


def test_a_changed_cell_of_the_course_is_not_trusted():
    assert doubt([GIVEN + "\n"], {GIVEN}) == "import matplotlib.pyplot"


def test_a_name_of_another_cell_counts():
    assert doubt(["import numpy as n", "n.lib"]) == "n.lib"
    assert doubt(["import sys as n", "n = 1"]) == "import sys"


def test_the_courses_own_answers_are_plain():
    """Nobody who writes the update rules as they are taught waits for a second kernel."""
    path = ROOT / "source" / "optimizers" / "optimizers.ipynb"
    source, given = (
        notebooks.read(path),
        trusted(notebooks.read(ROOT / "release" / "optimizers" / "optimizers.ipynb").cells),
    )
    cells = {}
    for cell in source.cells:
        if cell.cell_type == "code" and notebooks.kind(cell) != "test" and "test_torch_train" not in cells:
            cells[notebooks.grade_id(cell) or cell.id] = cell.source
        if notebooks.grade_id(cell) == "torch_train":
            break
    assert doubt(list(cells.values()), given) is None
    doubted = []
    for entry in catalogue.load(ROOT / "mistakes" / "optimizers.toml", source):
        if entry.right and doubt(list({**cells, entry.cell: entry.source}.values()), given):
            doubted.append(entry.name)
    fractions = ["stable_learning_rate_fraction", "coasting_distance_fraction", "adagrad_step_fraction"]
    assert doubted == ["optimizer_uses_setattr", *fractions, "parting_step_computed"]
