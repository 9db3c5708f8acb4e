"""Right answers of an unusual form: what Python offers, and what students who know more of it than the course write.

`ANSWERS[assignment][name]` maps the grade_ids of solution cells to what stands there.
"""

OPTIMIZER_ABC = """from abc import ABC, abstractmethod

class Base(ABC):
    @abstractmethod
    def zero_grad(self): ...

class Optimizer(Base):
    def __init__(self, params):
        self._params = tuple(params)

    @property
    def params(self):
        return self._params

    def zero_grad(self):
        list(map(lambda param: setattr(param, "grad", 0.0), self.params))

    def step(self):
        raise NotImplementedError(f"{type(self).__name__} has no step")
"""

OPTIMIZER_ABSTRACT_STEP = """import abc

class Optimizer:
    def __init__(self, params, /):
        self.params = [*params]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.registered = True

    def zero_grad(self, *, value=0.0):
        for param in self.params:
            vars(param).update(grad=value) if hasattr(param, "__dict__") else setattr(param, "grad", value)

    def step(self, *args, **kwargs):
        class NotThere(NotImplementedError):
            pass
        raise NotThere
"""

DATACLASS_OPTIMIZER = """from dataclasses import dataclass, field

@dataclass
class Optimizer:
    params: list

    def __post_init__(self):
        self.params = list(self.params)

    def zero_grad(self):
        for param in self.params:
            param.grad = 0.0

    def step(self):
        raise NotImplementedError
"""

SLOTS_ALL_THE_WAY = {
    "optimizer": """class Optimizer:
    __slots__ = ("params",)

    def __init__(self, params):
        self.params = list(params)

    def zero_grad(self):
        for param in self.params:
            param.grad = 0.0

    def step(self):
        raise NotImplementedError
""",
    "gradient_descent": """class GradientDescent(Optimizer):
    __slots__ = ("eta",)

    def __init__(self, params, eta=0.4):
        super().__init__(params)
        self.eta = eta

    def step(self):
        for param in self.params:
            param.value -= self.eta * param.grad
""",
    "momentum": """class Momentum(Optimizer):
    __slots__ = ("eta", "gamma", "v")

    def __init__(self, params, eta=0.4, gamma=0.5):
        super().__init__(params)
        self.eta, self.gamma, self.v = eta, gamma, [0.0] * len(self.params)

    def step(self):
        self.v = [self.gamma * v + self.eta * p.grad for v, p in zip(self.v, self.params)]
        for v, p in zip(self.v, self.params):
            p.value -= v
""",
}

FROZEN_MOMENTUM = """from dataclasses import dataclass, field

@dataclass(frozen=True)
class Momentum(Optimizer):
    params: list
    eta: float = 0.4
    gamma: float = 0.5
    v: dict = field(default_factory=dict, init=False, compare=False)

    def step(self):
        for i, param in enumerate(self.params):
            self.v[i] = self.gamma * self.v.get(i, 0.0) + self.eta * param.grad
            param.value -= self.v[i]
"""

CALLABLE_STATE_NESTEROV = """class Nesterov(Optimizer):
    def __init__(self, params, eta=0.05, gamma=0.9):
        super().__init__(params)
        self.eta, self.gamma = eta, gamma
        self.steps = [self._steps(param) for param in self.params]

    def _steps(self, param):
        v = 0.0
        while True:
            v = self.gamma * v + self.eta * param.grad
            param.value -= self.gamma * v + self.eta * param.grad
            yield

    def step(self):
        for step in self.steps:
            next(step)
"""

PROPERTY_ADAM = """class Adam(Optimizer):
    def __init__(self, params, eta=0.8, beta1=0.9, beta2=0.99, eps=1e-6):
        super().__init__(params)
        self._eta, self.betas, self.eps = eta, (beta1, beta2), eps
        self.state = {id(param): [0, 0.0, 0.0] for param in self.params}

    @property
    def eta(self):
        return self._eta

    @property
    def beta1(self):
        return self.betas[0]

    @property
    def beta2(self):
        return self.betas[1]

    def step(self):
        for param in self.params:
            t, m, v = self.state[id(param)]
            t, m, v = t + 1, m + (1 - self.beta1) * (param.grad - m), v + (1 - self.beta2) * (param.grad**2 - v)
            self.state[id(param)] = [t, m, v]
            param.value -= self.eta * (m / (1 - self.beta1**t)) / ((v / (1 - self.beta2**t)) ** 0.5 + self.eps)
"""

SELF_MADE_ARGUMENTS_ADAGRAD = """class Adagrad(Optimizer):
    defaults = {"eta": 0.4, "eps": 1e-6}

    def __init__(self, params, *args, **kwargs):
        super().__init__(params)
        self.__dict__.update(self.defaults | dict(zip(self.defaults, args)) | kwargs)
        self.s = dict.fromkeys(range(len(self.params)), 0.0)

    def step(self):
        for i, param in enumerate(self.params):
            self.s[i] += param.grad * param.grad
            param.value -= self.eta * param.grad * (self.s[i] + self.eps) ** -0.5
"""

TEMPLATE_METHOD = {
    "rmsprop": """class Adaptive(Optimizer):
    def step(self):
        for i, param in enumerate(self.params):
            param.value = param.value + self.change(i, float(param.grad))

class RMSProp(Adaptive):
    def __init__(self, params, eta=0.4, gamma=0.9, eps=1e-6):
        Optimizer.__init__(self, params)
        self.eta, self.gamma, self.eps = eta, gamma, eps
        self.s = np.zeros(len(self.params)) if "np" in globals() else [0.0] * len(self.params)

    def change(self, i, g):
        self.s[i] = self.gamma * self.s[i] + (1 - self.gamma) * g * g
        return -self.eta * g / math.sqrt(self.s[i] + self.eps)
"""
}

OPTIMIZERS = {
    "a base class with an abstract base of its own and a property": {"optimizer": OPTIMIZER_ABC},
    "a base class with __init_subclass__ and positional-only params": {"optimizer": OPTIMIZER_ABSTRACT_STEP},
    "a base class that is a dataclass": {"optimizer": DATACLASS_OPTIMIZER},
    "slots all the way": SLOTS_ALL_THE_WAY,
    "a frozen dataclass that keeps its velocities in a dict": {"momentum": FROZEN_MOMENTUM},
    "a generator for each parameter": {"nesterov": CALLABLE_STATE_NESTEROV},
    "hyperparameters that are properties": {"adam": PROPERTY_ADAM},
    "hyperparameters from *args and **kwargs": {"adagrad": SELF_MADE_ARGUMENTS_ADAGRAD},
    "a class in between with a template method": TEMPLATE_METHOD,
    "a lambda in place of a function": {
        "train": """train = lambda optimizer, x1_init, x2_init, num_steps=20: list(
    _train(optimizer, x1_init, x2_init, num_steps)
)
def _train(optimizer, x1_init, x2_init, num_steps):
    x1.value, x2.value = x1_init, x2_init
    yield (float(x1.value), float(x2.value))
    for _ in range(num_steps):
        optimizer.zero_grad()
        f_2d(x1, x2).backward()
        optimizer.step()
        yield (float(x1.value), float(x2.value))
"""
    },
    "a callable object in place of a function": {
        "train": """class _Train:
    def __call__(self, optimizer, x1_init, x2_init, num_steps=20):
        x1.value, x2.value = x1_init, x2_init
        path = [[float(p.value) for p in optimizer.params]]
        while len(path) <= num_steps:
            optimizer.zero_grad()
            f_2d(x1=x1, x2=x2).backward()
            optimizer.step()
            path.append([float(p.value) for p in optimizer.params])
        return path
train = _Train()
"""
    },
    "a step that is a partial of a function": {
        "gradient_descent": """import functools

def _descend(params, eta):
    for param in params:
        param.value = param.value - eta() * param.grad

class GradientDescent(Optimizer):
    def __init__(self, params, eta=0.4):
        super().__init__(params)
        self.eta = eta
        self.step = functools.partial(_descend, self.params, lambda: self.eta)
"""
    },
    "an optimizer that is a partial of a class": {
        "momentum": """import functools

class _Momentum(Optimizer):
    def __init__(self, params, eta, gamma):
        super().__init__(params)
        self.eta, self.gamma, self.v = eta, gamma, [0.0 for _ in self.params]

    def step(self):
        for i, param in enumerate(self.params):
            self.v[i] = self.gamma * self.v[i] + self.eta * param.grad
            param.value = param.value - self.v[i]

def Momentum(params, eta=0.4, gamma=0.5):
    return _Momentum(params, eta, gamma)
"""
    },
    "state on a class made by namedtuple": {
        "amsgrad": """from collections import namedtuple
State = namedtuple("State", "m v top")

class AMSGrad(Optimizer):
    def __init__(self, params, eta=1.0, beta1=0.9, beta2=0.99, eps=1e-6):
        super().__init__(params)
        self.eta, self.beta1, self.beta2, self.eps = eta, beta1, beta2, eps
        self.states = [State(0.0, 0.0, 0.0)] * len(self.params)

    def step(self):
        for i, (param, state) in enumerate(zip(self.params, self.states)):
            m = self.beta1 * state.m + (1 - self.beta1) * param.grad
            v = self.beta2 * state.v + (1 - self.beta2) * param.grad**2
            self.states[i] = state = State(m, v, max(v, state.top))
            param.value -= self.eta / (state.top**0.5 + self.eps) * m
"""
    },
    "a torch_train that is a partial": {
        "torch_train": """from functools import partial

def _run(of, optimizer_class, x1_init, x2_init, num_steps=20, **hyperparameters):
    point = [torch.tensor(float(x), dtype=torch.float64, requires_grad=True) for x in (x1_init, x2_init)]
    optimizer = optimizer_class(params=point, **hyperparameters)
    path = [tuple(p.item() for p in point)]
    for _ in range(num_steps):
        for p in point:
            p.grad = None
        of(*point).backward()
        optimizer.step()
        path += [tuple(p.item() for p in point)]
    return path

torch_train = partial(_run, f_2d)
"""
    },
    "numbers of other types": {
        "stable_learning_rate": "from fractions import Fraction\neta_max = Fraction(1, 2)",
        "coasting_distance": "import numpy as np\ncoasting_distance = np.float64(6.0)",
        "parting_step": "import numpy as np\nparting_step = np.int64(6)",
        "adagrad_step": "from decimal import Decimal\nadagrad_step = Decimal('0.1')",
    },
}

FROZEN_ADD = """from dataclasses import dataclass

@dataclass(frozen=True)
class Add:
    left: object
    right: object
    result: object

    def backward(self):
        for side in (self.left, self.right):
            side.grad += self.result.grad
"""

SLOTTED_OPERATIONS = {
    "add": """class Operation:
    __slots__ = ("left", "right", "result")

    def __init__(self, left, right, result):
        self.left, self.right, self.result = left, right, result

    def backward(self):
        by_left, by_right = self.slopes()
        self.left.grad += by_left * self.result.grad
        self.right.grad += by_right * self.result.grad

class Add(Operation):
    __slots__ = ()

    def slopes(self):
        return 1.0, 1.0
""",
    "mul": """class Mul(Operation):
    __slots__ = ()

    def slopes(self):
        return self.right.value, self.left.value
""",
}

SLOTTED_TENSOR = """class Tensor:
    __slots__ = ("value", "grad", "operations")

    def __init__(self, value):
        self.value, self.grad, self.operations = value, 0.0, []

    def _with(self, other, value, operation):
        result = Tensor(value)
        result.operations = self.operations + getattr(other, "operations", []) + [operation(self, other, result)]
        return result

    @staticmethod
    def _lift(other):
        return other if hasattr(other, "operations") else Tensor(other)

    def __add__(self, other):
        other = self._lift(other)
        return self._with(other, self.value + other.value, Add)

    def __mul__(self, other):
        other = self._lift(other)
        return self._with(other, self.value * other.value, Mul)

    __rmul__ = __mul__

    def __pow__(self, n):
        return self._with(n, self.value**n, Pow)

    def backward(self):
        self.grad = 1.0
        for operation in self.operations[::-1]:
            operation.backward()
"""

PROPERTY_TENSOR = """class Tensor:
    def __init__(self, value):
        self._value, self._grad, self.operations = value, 0.0, []

    value = property(lambda self: self._value, lambda self, new: setattr(self, "_value", new))
    grad = property(lambda self: self._grad, lambda self, new: setattr(self, "_grad", float(new)))

    def __add__(self, other):
        other = other if isinstance(other, type(self)) else type(self)(other)
        result = type(self)(self.value + other.value)
        result.operations = [*self.operations, *other.operations, Add(left=self, right=other, result=result)]
        return result

    def __mul__(self, other):
        other = other if isinstance(other, type(self)) else type(self)(other)
        result = type(self)(self.value * other.value)
        result.operations = [*self.operations, *other.operations, Mul(left=self, right=other, result=result)]
        return result

    def __rmul__(self, other):
        return self.__mul__(other)

    def __pow__(self, n):
        result = type(self)(pow(self.value, n))
        result.operations = [*self.operations, Pow(base=self, n=n, result=result)]
        return result

    def backward(self):
        self.grad = 1.0
        todo = list(self.operations)
        while todo:
            todo.pop().backward()
"""

SLOTTED_SHARED_TENSOR = """class Tensor:
    __slots__ = ("value", "grad", "parents", "_back")

    def __init__(self, value, parents=(), back=None):
        self.value, self.grad, self.parents, self._back = value, 0.0, parents, back

    @classmethod
    def of(cls, other):
        return other if isinstance(other, cls) else cls(other)

    def __add__(self, other):
        other = Tensor.of(other)
        return Tensor(self.value + other.value, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        other = Tensor.of(other)
        return Tensor(self.value * other.value, (self, other), lambda g: (g * other.value, g * self.value))

    def __pow__(self, n):
        return Tensor(self.value**n, (self,), lambda g: (g * n * self.value ** (n - 1),))

    __radd__, __rmul__ = __add__, __mul__
    __neg__ = lambda self: self * -1
    __sub__ = lambda self, other: self + -Tensor.of(other)
    __rsub__ = lambda self, other: Tensor.of(other) - self
    __truediv__ = lambda self, other: self * Tensor.of(other) ** -1
    __rtruediv__ = lambda self, other: Tensor.of(other) / self

    def backward(self):
        order = topological_order(self, lambda tensor: tensor.parents)
        grads = {id(self): 1.0}
        for tensor in reversed(order):
            grad = grads.pop(id(tensor), 0.0)
            if not tensor.parents:
                tensor.grad += grad
                continue
            for parent, part in zip(tensor.parents, tensor._back(grad)):
                grads[id(parent)] = grads.get(id(parent), 0.0) + part
"""

MINI_TORCH = {
    "a frozen dataclass": {"add": FROZEN_ADD},
    "operations with slots and an abstract base": SLOTTED_OPERATIONS,
    "a tensor with slots": {"tensor": SLOTTED_TENSOR},
    "a tensor whose value and gradient are properties": {"tensor": PROPERTY_TENSOR},
    "a power that keeps a partial": {
        "pow": """from functools import partial
class Pow:
    def __init__(self, base, n, result):
        self.base, self.n, self.result = base, n, result
        self.backward = partial(self._backward, lambda x: 0.0 if n == 0 else n * x ** (n - 1))
    def _backward(self, slope):
        self.base.grad = self.base.grad + slope(self.base.value) * self.result.grad
"""
    },
    "a topological order without recursion": {
        "topological_order": """def topological_order(root, sources):
    order, done, stack = [], set(), [(root, iter(sources(root)))]
    seen = {root}
    while stack:
        node, rest = stack[-1]
        for source in rest:
            if source not in seen:
                seen.add(source)
                stack.append((source, iter(sources(source))))
                break
        else:
            order.append(node)
            stack.pop()
    return order
"""
    },
    "a gradient by lambda, keywords allowed": {"hand_gradient": "hand_gradient = lambda x1, x2: [x1 / 5, 4 * x2]"},
    "a gradient in a named tuple": {
        "hand_gradient": """from typing import NamedTuple
class Gradient(NamedTuple):
    by_x1: float
    by_x2: float
def hand_gradient(x1: float, x2: float) -> Gradient:
    return Gradient(by_x2=4.0 * x2, by_x1=0.2 * x1)
"""
    },
    "differences by a comprehension": {
        "numerical_gradient": """def numerical_gradient(f, values, h=1e-6):
    moved = lambda i, by: [value + by * (i == j) for j, value in enumerate(values)]
    return [(f(*moved(i, h)) - f(*moved(i, -h))) / (2 * h) for i in range(len(values))]
"""
    },
    "a reset by map": {"zero_grad": "def zero_grad(params):\n    any(setattr(param, 'grad', 0.0) for param in params)"},
    "a method that is patched in": {
        "mul": """class Mul:
    def __init__(self, *operands):
        self.left, self.right, self.result = operands
def _backward(self):
    g = self.result.grad
    left, right = self.left.value, self.right.value
    self.left.grad += g * right
    self.right.grad += g * left
setattr(Mul, "backward", _backward)
"""
    },
}

CONDITIONING = {
    "a lambda": {"gd_rate": "gd_rate = lambda eigenvalues, eta: max(abs(1 - eta * lam) for lam in eigenvalues)"},
    "a partial of a function with more arguments": {
        "momentum_rate": """from functools import partial
def _radius(matrix, lam, eta, gamma):
    return float(abs(np.linalg.eigvals(matrix(lam, eta, gamma))).max())
momentum_rate = partial(_radius, lambda *args: momentum_matrix(*args))
"""
    },
    "a callable object": {
        "is_stable": """class _Stable:
    def __call__(self, lam, eta, gamma):
        return bool(gamma >= 0 and gamma < 1 and lam * eta > 0 and lam * eta < 2 + 2 * gamma)
is_stable = _Stable()
"""
    },
    "a named tuple": {
        "best_learning_rate": """from collections import namedtuple
Best = namedtuple("Best", "eta rate")
def best_learning_rate(eigenvalues):
    low, *_, high = sorted([*eigenvalues, *eigenvalues])
    return Best(rate=(high - low) / (high + low), eta=2 / (high + low))
"""
    },
    "a list": {
        "best_momentum": """def best_momentum(eigenvalues):
    low, high = np.sqrt([np.min(eigenvalues), np.max(eigenvalues)])
    rate = (high - low) / (high + low)
    return [4 / (low + high) ** 2, rate**2, rate]
"""
    },
    "a cached function": {
        "momentum_matrix": """from functools import lru_cache
@lru_cache
def momentum_matrix(lam, eta, gamma):
    step = eta * lam
    return np.array([gamma, step, -gamma, 1 - step]).reshape(2, 2)
"""
    },
    "columns that are stacked": {
        "rotated": """def rotated(A, angle):
    R = np.column_stack(([np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]))
    return np.linalg.multi_dot([R, A, R.T])
"""
    },
    "a search from the end": {
        "steps_needed": """def steps_needed(path, tolerance):
    k = None
    for i in reversed(range(len(path))):
        if not math.hypot(*map(float, path[i])) <= tolerance:
            break
        k = i
    return k
"""
    },
    "a generator of points": {
        "preconditioned_gd": """def preconditioned_gd(A, b, x0, P, eta, num_steps):
    def points(x):
        yield x
        for _ in range(num_steps):
            x = x - eta * (P @ (A @ x - b))
            yield x
    return np.stack(list(points(np.array(x0, dtype=float))))
"""
    },
    "a Newton step by least squares": {
        "newton_step": """def newton_step(gradient, hessian):
    return np.linalg.lstsq(hessian, -gradient, rcond=None)[0]"""
    },
}

TRAINING = {
    "schedules by lambda": {
        "step_schedule": "step_schedule = lambda lr, epoch, step_size, gamma: lr * gamma ** int(epoch / step_size)",
        "exponential_schedule": "exponential_schedule = lambda lr, epoch, gamma: lr * pow(gamma, epoch)",
    },
    "an update in a named tuple": {
        "momentum_update": """from typing import NamedTuple
class State(NamedTuple):
    w: object
    v: object
def momentum_update(w, v, dw, lr, momentum):
    new = momentum * v - lr * dw
    return State(w=w + new, v=new)
"""
    },
    "an update as a callable object": {
        "adagrad_update": """class _Update:
    def __call__(self, w, r, dw, lr, delta):
        r = r + np.square(dw)
        return w - lr * dw / (delta + np.sqrt(r)), r
adagrad_update = _Update()
"""
    },
    "an update as a list of arrays": {
        "rmsprop_update": """def rmsprop_update(w, r, dw, lr, alpha, delta):
    new = r + (1 - alpha) * (dw * dw - r)
    return [w - lr * dw / (new**0.5 + delta), new]
"""
    },
    "batches by a class that iterates": {
        "get_batches": """class get_batches:
    def __init__(self, X, y, batch_size, rng):
        self.X, self.y, self.size = X, y, batch_size
        self.order = rng.permutation(len(y))
    def __iter__(self):
        for k in range(0, len(self.order), self.size):
            rows = self.order[k : k + self.size]
            yield (self.X[rows], self.y[rows])
"""
    },
    "batches by array_split of a shuffled order": {
        "get_batches": """def get_batches(X, y, batch_size, rng):
    order = np.arange(len(X))
    rng.shuffle(order)
    return [[X[rows], y[rows]] for rows in np.split(order, range(batch_size, len(X), batch_size))]
"""
    },
    "epochs as a recursion": {
        "sgd": """def sgd(w, X, y, lr, n_epochs, batch_size, rng):
    losses = [float(mse(w, X, y))]
    if n_epochs == 0:
        return w, losses
    from functools import reduce
    w = reduce(lambda w, batch: w - lr * mse_gradient(w, *batch), get_batches(X, y, batch_size, rng), w)
    w, rest = sgd(w, X, y, lr, n_epochs - 1, batch_size, rng)
    return w, losses + rest
"""
    },
    "an AdamW that is a dataclass with slots": {
        "adamw": """from dataclasses import dataclass, field
@dataclass(slots=True)
class AdamW:
    params: list
    lr: float = 1e-3
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    state: dict = field(default_factory=dict, init=False)

    def __post_init__(self):
        self.params = list(self.params)

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        (b1, b2) = self.betas
        for k, p in enumerate(self.params):
            if p.grad is None:
                continue
            t, m, v = self.state.get(k, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t, m, v = t + 1, m.lerp(p.grad, 1 - b1), v * b2 + (1 - b2) * p.grad * p.grad
            self.state[k] = t, m, v
            p.mul_(1 - self.lr * self.weight_decay)
            p.addcdiv_(m / (1 - b1**t), (v / (1 - b2**t)).sqrt() + self.eps, value=-self.lr)
"""
    },
    "an AdamW whose lr is a property": {
        "adamw": """class AdamW:
    def __init__(self, params, *args, **kwargs):
        names = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
        self.groups = [names | dict(zip(names, args)) | kwargs]
        self.params = tuple(params)
        self.state = [None for _ in self.params]

    @property
    def lr(self):
        return self.groups[0]["lr"]

    @lr.setter
    def lr(self, new):
        self.groups[0]["lr"] = new

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        g = self.groups[0]
        (b1, b2), eps = g["betas"], g["eps"]
        with torch.no_grad():
            for i, p in enumerate(self.params):
                if p.grad is not None:
                    t, s, r = self.state[i] or (0, 0.0, 0.0)
                    t, s, r = t + 1, b1 * s + (1 - b1) * p.grad, b2 * r + (1 - b2) * p.grad.square()
                    self.state[i] = (t, s, r)
                    move = (s / (1 - b1**t)) / (torch.sqrt(r / (1 - b2**t)) + eps)
                    p.copy_(p - g["lr"] * g["weight_decay"] * p - g["lr"] * move)
"""
    },
    "clipping by torch's stack of norms": {
        "clip_gradients": """def clip_gradients(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    total = torch.stack([g.double().norm() for g in grads]).norm() if grads else torch.tensor(0.0)
    scale = max_norm / (total + 1e-6)
    if scale < 1:
        [g.mul_(scale.to(g.dtype)) for g in grads]
    return float(total)
"""
    },
    "an epoch with zip and sum": {
        "train_epoch": """def train_epoch(model, loader, loss_fn, optimizer):
    def step(X, y):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(model(X), y)
        loss.backward()
        optimizer.step()
        return len(X), float(loss)
    model.train(True)
    sizes, losses = zip(*[step(X, y) for X, y in loader])
    return sum(n * loss for n, loss in zip(sizes, losses)) / sum(sizes)
"""
    },
    "an evaluation with a decorator": {
        "evaluate": """@torch.no_grad()
def evaluate(model, loader, loss_fn):
    before = model.training
    model.eval()
    try:
        rows = [(loss_fn(out, y).item() * len(y), int((out.argmax(-1) == y).sum()), len(y))
                for out, y in ((model(X), y) for X, y in loader)]
    finally:
        model.train(mode=before)
    loss, right, n = map(sum, zip(*rows))
    return [loss / n, right / n]
"""
    },
    "a history that is a defaultdict": {
        "fit": """from collections import defaultdict
def fit(model, train_loader, valid_loader, loss_fn, optimizer, n_epochs, scheduler=None):
    history = defaultdict(list)
    for _ in range(n_epochs):
        lr = optimizer.param_groups[0]["lr"]
        train_loss = train_epoch(model=model, loader=train_loader, loss_fn=loss_fn, optimizer=optimizer)
        loss, accuracy = evaluate(model=model, loader=valid_loader, loss_fn=loss_fn)
        for name, number in dict(train_loss=train_loss, valid_loss=loss, valid_accuracy=accuracy, lr=lr).items():
            history[name].append(number)
        scheduler and scheduler.step()
    return history
"""
    },
    "an answer that is a tuple or an array": {"updates_per_epoch": "updates_per_epoch = (1, 1000, np.int64(21))"},
}

ANSWERS = {"optimizers": OPTIMIZERS, "mini-torch": MINI_TORCH, "conditioning": CONDITIONING, "training": TRAINING}
