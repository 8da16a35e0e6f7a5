# make demo: restyle a photo with every style that ships (PHOTO=mine.jpg for your own).
# make test: lint, types and the fast tests; make test-all: the longer ones too, and the wheel's.
# make wheel-test: build the package, install it as a stranger does, use it outside of this folder.
# make zoo PAINTINGS=dir PHOTOS=dir: make the styles that ship, or some of them (STYLES="a b"), and measure them;
#   ZOO_SHARD=2/4 makes the second quarter, for arrays of jobs.
# All set up everything they need.
PYTHON ?= python3
PHOTO ?=
OUT ?= demo
PAINTINGS ?=
PHOTOS ?=
STYLES ?=
HELD_OUT ?=
PERCEPTUAL_WEIGHTS ?=
WORK ?= runs/zoo
TRAIN ?=
LEAST ?=
ZOO_SHARD ?=

.PHONY: demo test test-all test-gpu wheel-test reexport zoo clean

demo: .venv-demo/ready
	.venv-demo/bin/python scripts/demo.py --out "$(OUT)" $(if $(PHOTO),--photo "$(PHOTO)")

test: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy & types=$$!; .venv/bin/python -m pytest -m "not slow"; tests=$$?; wait $$types && exit $$tests

test-all: .venv/ready .venv-space/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	FASTNST_SPACE_PYTHON=.venv-space/bin/python .venv/bin/python -m pytest --ignore tests/trainer/test_streams.py --ignore tests/web
	.venv/bin/python -m pytest tests/trainer/test_streams.py  # the threads of `datasets` end a process that has run all else
	.venv/bin/python -m pytest tests/web  # as those of the browsers that the page is tested in
	$(MAKE) wheel-test

wheel-test: .venv/ready
	rm -rf build/wheel
	.venv/bin/python -m build --wheel --no-isolation --outdir build/wheel .
	.venv/bin/python scripts/wheel_test.py build/wheel/*.whl

# The real onnxruntime-gpu on stub CUDA libraries, which are compiled: no GPU is needed, gcc is.
test-gpu: .venv-gpu/ready
	.venv-gpu/bin/python -m pytest tests/gpu

# All model files that ship, anew in today's format, if their pictures stay the same.
reexport: .venv/ready
	.venv/bin/python scripts/reexport.py

zoo: .venv/ready
	.venv/bin/python scripts/zoo.py --work "$(WORK)" --train="$(TRAIN)" \
		$(if $(PAINTINGS),--paintings "$(PAINTINGS)") $(if $(PHOTOS),--photos "$(PHOTOS)") \
		$(if $(STYLES),--styles $(STYLES)) $(if $(HELD_OUT),--held-out "$(HELD_OUT)") \
		$(if $(PERCEPTUAL_WEIGHTS),--perceptual-weights "$(PERCEPTUAL_WEIGHTS)") $(if $(PHOTO),--photo "$(PHOTO)") \
		$(if $(LEAST),--least-equivalent $(LEAST)) $(if $(ZOO_SHARD),--shard "$(ZOO_SHARD)") $(if $(TOGETHER),--together)

# OpenVINO, which uses the bf16 units of recent CPUs, has no wheel for some machines: then go on without.
.venv-demo/ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --upgrade pip
	.venv-demo/bin/pip install --quiet --editable ".[fastcpu]" || .venv-demo/bin/pip install --quiet --editable ".[cpu]"
	touch $@

.venv-gpu/ready: pyproject.toml
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/pip install --quiet --upgrade pip
	.venv-gpu/bin/pip install --quiet --editable . onnxruntime-gpu nvidia-cuda-runtime onnx pytest
	touch $@

# The Gradio Space's own environment.
.venv-space/ready: pyproject.toml
	$(PYTHON) -m venv .venv-space
	.venv-space/bin/pip install --quiet --upgrade pip
	.venv-space/bin/pip install --quiet --editable ".[cpu]" gradio
	touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade pip
	.venv/bin/pip install --quiet --editable ".[cpu,train,dev]"
	touch $@

clean:
	rm -rf .venv .venv-demo .venv-gpu .venv-space demo build dist .pytest_cache .mypy_cache .ruff_cache
