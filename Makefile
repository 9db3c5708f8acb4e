# The front door. `make help` lists the targets.
#
# PYTHON=python      use this interpreter (of an active conda environment, for example) and create no .venv
# CPU=yes            install PyTorch without CUDA, from PyTorch's own index: 2 GB, several GB less (Linux)
# LOCK=file          install the versions in this file; LOCK=none: the newest that pyproject.toml allows
# ASSIGNMENT=name    work on one assignment only
# SANDBOX=none       run students' code with your own rights, on a machine that cannot isolate it
# WARM=no            start a new Python for every kernel instead of forking one that has imported everything
# FORCE=yes          grade unchanged submissions again
# REPOSITORY=url     for handout: the course on GitHub; the page then links to Binder and Colab
# HUB=url            for handout: the course's JupyterHub; the page then links to it
# WORKSHEET=file     for collect and export: Moodle's grading worksheet; SCALE=yes scales the points to its maximum
# LMS=canvas         for collect, export and return-feedback: Canvas's API, at CANVAS_API_URL, CANVAS_API_TOKEN, CANVAS_COURSE
# NEW_SECRET=yes     for release: make a new gradebook.secret, from which the inputs of hidden tests are drawn
# NAMES=yes          for report and similar: names from students.csv beside the ids; ANONYMOUS=yes: pseudonyms, and no links
# CLUSTER=address    for grade, regrade, doctor: the Dask cluster that runs students' code: its address, a file such as
#                    slurm.yaml that starts one, or local:4; see docs/scaling.md
# SIZES=10,60,300    for bench: classes of these sizes; OTTER=yes: otter-grader, too; CLUSTER=yes: only the cost of a cluster
# WRITER=yes         for bench: only how many submissions a second are saved; or the URL of an empty database
# JOBS=n             grade n submissions at once (default: one for each core)

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export SANDBOX WARM

ifdef PYTHON
PY := $(PYTHON)
READY := check-python
else
PY := .venv/bin/python
READY := .venv/ready
endif

SUPPORTED := (3, 11) <= sys.version_info[:2] <= (3, 14)
LOCK := requirements.lock
CPU_WHEELS := https://download.pytorch.org/whl/cpu
PIP_INSTALL := PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet --disable-pip-version-check
CONSTRAINTS := $(if $(filter none,$(LOCK)),,--constraint "$(LOCK)")
UV_COMPILE := -m uv pip compile --quiet --no-config --universal --python-version 3.11 --group dev --group benchmark

ONLY := $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT))
AT_ONCE := $(if $(JOBS),--jobs $(JOBS))
PARALLEL := --numprocesses $(or $(JOBS),logical) --dist worksteal

IGNORE_CLUSTER := $(filter-out grade regrade doctor bench,$(MAKECMDGOALS))
ifneq ($(and $(CLUSTER),$(filter watch,$(MAKECMDGOALS))),)
$(error make watch grades on the machine where it runs. Leave out CLUSTER, or use make grade)
else ifneq ($(and $(CLUSTER),$(IGNORE_CLUSTER)),)
$(warning CLUSTER is for grade, regrade, doctor and bench: make $(IGNORE_CLUSTER) runs on this machine only)
endif

.PHONY: help check-python demo test test-slow test-root lock release handout new-exercise check normalize format mutants bench doctor lab clean
.PHONY: watch status collect grade mark feedback grades report similar export return-feedback late regrade diff-grades

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "ASSIGNMENT=<name> limits a target to one assignment. The top of the Makefile explains every option;"
	@echo "docs/running-a-class.md explains the steps of a class."

demo: $(READY)  ## Grade a sample class in build/demo/ and show the results.
	@$(PY) -m grading demo $(AT_ONCE)

test: $(READY)  ## Run the tests in parallel. COVERAGE=yes also measures branch coverage, in twice the time.
	@$(PY) -m pytest $(PARALLEL) -m "not slow" $(if $(filter yes,$(COVERAGE)),--cov=grading)

test-slow: $(READY)  ## Run the slow tests: other modes, more attacks and mistakes, mutants.
	@$(PY) -m pytest $(PARALLEL) -m slow

test-root: $(READY)  ## Run the tests that need root: sudo make test-root. Others skip them.
	@$(PY) -m pytest -m needs_root

release: $(READY)  ## Generate release/, the students' notebooks, from source/.
	@$(PY) -m grading release $(ONLY) $(if $(filter yes,$(NEW_SECRET)),--new-secret)

handout: $(READY)  ## Zip what students need into build/handout/. REPOSITORY=<url>, HUB=<url>: links to open it.
	@$(PY) -m grading handout $(ONLY) $(if $(REPOSITORY),--repository $(REPOSITORY)) $(if $(HUB),--hub $(HUB))

new-exercise: $(READY)  ## Add a skeleton, NAME=<function>, to ASSIGNMENT. KIND=written: a question that a person grades.
	@test -n "$(and $(NAME),$(ASSIGNMENT))" || { echo "Name the assignment and the function: make new-exercise ASSIGNMENT=<name> NAME=<function>"; exit 1; }
	@$(PY) -m grading new-exercise $(ONLY) $(if $(KIND),--kind $(KIND)) $(if $(NAME),"$(NAME)")

check: $(READY)  ## List every problem in the course and its code. Writes nothing.
	@$(PY) -m grading check $(ONLY)
ifndef ASSIGNMENT
	@$(PY) -m mypy --no-error-summary
	@$(PY) -m deptry grading
	@$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-logo'])"
endif

lock: $(READY)  ## Update requirements.lock and the files made from it. UPGRADE=yes or <package>: newer versions.
	@$(PY) $(UV_COMPILE) $(if $(UPGRADE),$(if $(filter yes,$(UPGRADE)),--upgrade,--upgrade-package $(UPGRADE))) \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	@$(PY) -m grading lock

normalize: $(READY)  ## Remove outputs and counts from the source notebooks; write their given code and tables.
	@$(PY) -m grading normalize

format: $(READY)  ## Fix and format code and notebooks with ruff.
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

collect: $(READY)  ## Copy FROM=<archive or folder> to submitted/, after asking. LMS=canvas downloads; UNDO=yes undoes.
	@test -n "$(and $(or $(FROM),$(UNDO),$(filter canvas,$(LMS))),$(ASSIGNMENT))" || { echo "Name the assignment and the download: make collect ASSIGNMENT=<name> FROM=<archive or folder>, or LMS=canvas to fetch it"; exit 1; }
	@$(PY) -m grading collect $(ONLY) $(if $(FROM),--from "$(FROM)") $(if $(LMS),--lms $(LMS)) \
		$(if $(WORKSHEET),--worksheet "$(WORKSHEET)") $(if $(filter yes,$(YES)),--yes) $(if $(filter yes,$(UNDO)),--undo)

grade: $(READY)  ## Grade submitted/<student>/<assignment>/ and print the table. CLUSTER=<address>: on other machines.
	@$(PY) -m grading grade $(ONLY) $(AT_ONCE) $(if $(filter-out no,$(FORCE)),--force) $(if $(CLUSTER),--cluster "$(CLUSTER)")

feedback: $(READY)  ## Write the feedback pages of new and changed submissions.
	@$(PY) -m grading feedback $(ONLY) $(AT_ONCE) $(if $(filter-out no,$(FORCE)),--force)

mark: $(READY)  ## Grade written answers in the terminal. QUESTION=<name>, ANONYMOUS=yes, AGAIN=yes.
	@$(PY) -m grading mark $(ONLY) $(if $(QUESTION),--question $(QUESTION)) $(if $(filter yes,$(ANONYMOUS)),--anonymous) \
		$(if $(filter yes,$(AGAIN)),--again)

grades: $(READY)  ## Print the table and write grades.csv.
	@$(PY) -m grading grades $(ONLY)

report: $(READY)  ## Write build/report/<assignment>.html, the class at a glance. NAMES=yes or ANONYMOUS=yes.
	@$(PY) -m grading report $(ONLY) $(if $(filter yes,$(ANONYMOUS)),--anonymous) $(if $(filter yes,$(NAMES)),--names)

similar: $(READY)  ## Write build/similar/<assignment>.html, similar submissions. NAMES=yes or ANONYMOUS=yes.
	@$(PY) -m grading similar $(ONLY) $(if $(filter yes,$(ANONYMOUS)),--anonymous) $(if $(filter yes,$(NAMES)),--names) \
		$(if $(THRESHOLD),--threshold $(THRESHOLD))

export: $(READY)  ## Write the grades for Moodle and Canvas, and every test cell. LMS=canvas uploads, after asking.
	@$(PY) -m grading export $(ONLY) $(if $(filter yes,$(YES)),--yes) $(if $(LMS),--lms $(LMS)) \
		$(if $(WORKSHEET),--worksheet "$(WORKSHEET)") $(if $(filter yes,$(SCALE)),--scale)

return-feedback: $(READY)  ## Zip the feedback pages for Moodle or Canvas. LMS=canvas uploads, after asking.
	@$(PY) -m grading feedback $(ONLY)
	@$(PY) -m grading return-feedback $(ONLY) $(if $(LMS),--lms $(LMS)) $(if $(filter yes,$(YES)),--yes)

late: $(READY)  ## Apply due dates, extensions and the late rule to graded submissions.
	@$(PY) -m grading late

watch: $(READY)  ## Grade submissions as they arrive, until interrupted. PAGES=<folder>: also write pages there.
	@$(PY) -m grading watch $(ONLY) $(AT_ONCE) $(if $(PAGES),--pages "$(PAGES)")

status: $(READY)  ## Show what `make watch` has graded, what is waiting, and what needs a person.
	@$(PY) -m grading status

regrade: $(READY)  ## Preview what a new grading would change, then write it, after asking. YES=yes: without asking.
	@$(PY) -m grading regrade $(ONLY) $(AT_ONCE) $(if $(filter yes,$(YES)),--yes) $(if $(CLUSTER),--cluster "$(CLUSTER)")

diff-grades: $(READY)  ## Compare two gradebooks, A=<file> and B=<file>.
	@test -n "$(and $(A),$(B))" || { echo "Name two gradebooks: make diff-grades A=gradebook.db.<time> B=gradebook.db"; exit 1; }
	@$(PY) -m grading diff-grades $(if $(A),"$(A)") $(if $(B),"$(B)")

mutants: $(READY)  ## Mutate the reference solutions: a hidden test must catch every mutant. EXERCISE=<name>.
	@$(PY) -m grading mutants $(ONLY) $(AT_ONCE) $(if $(EXERCISE),--exercise $(EXERCISE))

bench: $(READY)  ## Compare the speed with stock nbgrader; writes docs/benchmark.md. SIZES, OTTER, CLUSTER=yes.
	@$(PY) -m grading bench $(ONLY) $(AT_ONCE) $(if $(SIZES),--sizes $(SIZES)) $(if $(filter yes,$(OTTER)),--otter) \
		$(if $(filter yes,$(CLUSTER)),--cluster) $(if $(WRITER),--writer "$(WRITER)")

doctor: $(READY)  ## Check that this machine, or CLUSTER=<address>, can isolate students' code. Says how to fix it.
	@$(PY) -m grading doctor $(if $(CLUSTER),--cluster "$(CLUSTER)")

lab: $(READY)  ## Open the course in JupyterLab, with formgrader.
	@$(PY) -m jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root)

clean:  ## Delete build/ and caches, but no student work and no grades.
	@rm -rf build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# A Python from elsewhere is not changed, only checked.
check-python:
	@$(PY) -P -c 'import sys; from importlib.metadata import version; version("optimization-course"); \
		sys.exit(not $(SUPPORTED))' 2>/dev/null || \
		{ echo "make needs Python 3.11 to 3.14 with the packages of the course, and $(PY) is not one. Install them there:"; \
		echo "$(PY) -m pip install --constraint requirements.lock --group dev --editable ."; exit 1; }

# The first of these that runs and is Python 3.11 to 3.14: newer ones lack wheels. pyenv may provide a name that fails to run.
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
FIND_PYTHON = for python in $(PYTHONS); do \
	$$python -c 'import sys; sys.exit(not $(SUPPORTED))' 2>/dev/null && echo $$python && break; done

.venv/ready: pyproject.toml $(filter-out none,$(LOCK))
	@python=$$($(FIND_PYTHON)); \
	test -n "$$python" || { echo "make needs Python 3.11, 3.12, 3.13 or 3.14, and none of these is one: $(PYTHONS)."; \
		echo "Install one (Debian and Ubuntu: apt install python3 python3-venv), or use an environment of your own:"; \
		echo "PYTHON=<its interpreter>, see README.md."; exit 1; }; \
	echo "Creating the environment in .venv with $$($$python --version) (a few minutes, the first time only) ..."; \
	$$python -m venv .venv || { echo "Cannot create an environment: install venv (Debian and Ubuntu: apt install python3-venv), then try again."; exit 1; }
	@{ $(PIP_INSTALL) $(CONSTRAINTS) "pip>=25.3" && \
		$(if $(filter yes,$(CPU)),$(PIP_INSTALL) $(CONSTRAINTS) --no-deps --index-url $(CPU_WHEELS) torch &&) \
		$(PIP_INSTALL) $(CONSTRAINTS) $(subst --constraint,--build-constraint,$(CONSTRAINTS)) --group dev --editable .; } || \
		{ echo "The installation failed, see above. Check the network connection, then try again."; exit 1; }
	@touch .venv/ready
