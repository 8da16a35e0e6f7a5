# make demo: restyle a photo with every style that ships (PHOTO=mine.jpg for your own).
# make test: lint, types and tests. Both set up everything they need.
PYTHON ?= python3
PHOTO ?=
OUT ?= demo

.PHONY: demo test clean

demo: .venv-demo/ready
	.venv-demo/bin/python scripts/demo.py --out "$(OUT)" $(if $(PHOTO),--photo "$(PHOTO)")

test: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m pytest

# The plugin that uses the bf16 units of recent Intel CPUs has no wheel for some machines: then go on without.
.venv-demo/ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --upgrade pip
	.venv-demo/bin/pip install --quiet --editable ".[fastcpu]" || .venv-demo/bin/pip install --quiet --editable ".[cpu]"
	.venv-demo/bin/pip install --quiet matplotlib
	touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade pip
	.venv/bin/pip install --quiet --editable ".[cpu,train,dev]"
	touch $@

clean:
	rm -rf .venv .venv-demo demo build dist .pytest_cache .mypy_cache .ruff_cache
