"""`python -m grading <command>`: see `grading/cli/main.py`."""

from grading.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m grading")
