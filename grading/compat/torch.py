"""Private names of torch."""

# The first step of an optimizer of torch imports this, which takes as long as torch itself.
IMPORTED_BY_FIRST_STEP = "torch._dynamo"
