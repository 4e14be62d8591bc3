# Two commands for a newcomer: `make demo` and `make test`. Each makes the virtual environment if it is missing.
PYTHON ?= python3
VENV ?= .venv
SECURITY_VENV ?= .venv-security
TRACKING_VENV ?= .venv-tracking
REFERENCE_VENV ?= .venv-reference
MODELS_VENV ?= .venv-models
READERS_VENV ?= .venv-readers
BIN = $(VENV)/bin
PIP_FLAGS = --quiet --disable-pip-version-check
# Other people's nets, which our lowering must read. They declare torchvision, which they do not need for that and which
# has no CPU build for this torch: hence --no-deps.
PEERS = geffnet pytorchcv
# Other people's readers of latency tables; only the modules that read are loaded, and what they need the kit has.
READERS = ofa==0.1.0.post202307202001 nni==2.8 nn-meter==2.0
ROBUSTNESS_SECONDS ?= 120
ROBUSTNESS_SEED ?= 0
ROBUSTNESS_INPUTS ?= 10000
ROBUSTNESS_KILLS ?= 100
# Two processes of one thread each; a file stays in one of them, so that what its tests share is made once.
PYTEST_FLAGS ?= -n 2 --dist loadfile

.PHONY: help demo test lint unit zoo processes coverage docs notebooks package audit sbom tracking reference readers models adbd android
.PHONY: benchmarks robustness clean

help:
	@echo "make demo        export, profile, validate and search on this computer; ends with a page to open"
	@echo "make test        ruff, mypy, import-linter and pytest"
	@echo "make docs        build the documentation into site/, which opens without a network"
	@echo "make notebooks   run the notebooks of examples/ in Jupyter"
	@echo "make package     build wheel and source distribution, and try the wheel in an environment of its own"
	@echo "make zoo         ship every network of the zoo in every format and precision, and check the bundles (long)"
	@echo "make processes   run every command as a process: success, failure, bad input, Ctrl-C (a part of it is in make test)"
	@echo "make audit       compare the pinned dependencies with databases of known vulnerabilities"
	@echo "make sbom        write dist/moga-kit.cdx.json, a CycloneDX bill of materials for a release"
	@echo "make tracking    run the commands with the real MLflow, in an environment of its own"
	@echo "make coverage    run the tests and say which lines they did not reach"
	@echo "make models      export networks of other packages and compare the files with torch (hours; see its --help)"
	@echo "make reference   compare our files with TensorFlow's and litert-torch's converters (installs about 3 GB)"
	@echo "make readers     let readers of Once-for-All, NNI and nn-Meter read tables that we write"
	@echo "make adbd        run the adb layer against Debian's real adbd (Debian with root or user namespaces)"
	@echo "make android     run Google's benchmark_model for Android under the real adbd (Debian with user namespaces)"
	@echo "make robustness  damaged files, hostile options, kills, full disks (ROBUSTNESS_SECONDS, _SEED, _INPUTS, _KILLS)"
	@echo "make benchmarks  time the kit against its peers; further programs in tests/benchmarks say how they are called"
	@echo "make clean       remove the virtual environments and caches"

$(VENV)/installed-core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed-core
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev,train]'
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt --no-deps $(PEERS)
	touch $@

$(VENV)/installed-docs: $(VENV)/installed-core
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[docs]'
	touch $@

$(REFERENCE_VENV)/installed: pyproject.toml constraints.txt tests/reference/requirements.txt
	test -x $(REFERENCE_VENV)/bin/python || $(PYTHON) -m venv $(REFERENCE_VENV)
	$(REFERENCE_VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev,train]'
	$(REFERENCE_VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps -r tests/reference/requirements.txt
	touch $@

demo: $(VENV)/installed-core
	$(BIN)/moga demo -o demo

test: lint unit

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PYTEST_FLAGS)

coverage: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PYTEST_FLAGS) --cov --cov-report=term-missing:skip-covered

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(VENV)/installed-docs
	mkdir -p build/notebooks
	cp examples/*.ipynb build/notebooks
	cd build/notebooks && for one in *.ipynb; do $(abspath $(BIN))/jupyter execute --inplace $$one || exit 1; done

package: $(VENV)/installed-docs
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tests/packaging/try_wheel.py dist

# Beside the packages that are listed, so that a bill of materials does not hold what writes it.
$(SECURITY_VENV)/installed: constraints.txt
	test -x $(SECURITY_VENV)/bin/python || $(PYTHON) -m venv $(SECURITY_VENV)
	$(SECURITY_VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt pip-audit cyclonedx-bom packaging
	touch $@

audit: $(SECURITY_VENV)/installed
	$(SECURITY_VENV)/bin/python tests/packaging/audit.py constraints.txt $(AUDIT_FLAGS)

sbom: $(VENV)/installed-dev $(SECURITY_VENV)/installed
	PYTHONPATH=$$($(SECURITY_VENV)/bin/python -c "import site; print(site.getsitepackages()[0])") \
	  $(BIN)/python tests/packaging/sbom.py dist/moga-kit.cdx.json

$(TRACKING_VENV)/installed: pyproject.toml constraints.txt
	test -x $(TRACKING_VENV)/bin/python || $(PYTHON) -m venv $(TRACKING_VENV)
	$(TRACKING_VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev,train,mlflow]'
	touch $@

tracking: $(TRACKING_VENV)/installed
	$(TRACKING_VENV)/bin/pytest -p no:anyio tests/tracking   # MLflow brings anyio, whose plugin warns at load

# Packages that declare torchvision, of which only the Python part is needed: hence --no-deps.
$(READERS_VENV)/installed: pyproject.toml constraints.txt Makefile
	test -x $(READERS_VENV)/bin/python || $(PYTHON) -m venv $(READERS_VENV)
	$(READERS_VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e .
	$(READERS_VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps $(READERS)
	touch $@

$(MODELS_VENV)/installed: pyproject.toml constraints.txt tests/reference/requirements.txt tests/reference/models/requirements.txt
	test -x $(MODELS_VENV)/bin/python || $(PYTHON) -m venv $(MODELS_VENV)
	$(MODELS_VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[torch-onnx]'
	$(MODELS_VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps -r tests/reference/requirements.txt
	$(MODELS_VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps -r tests/reference/models/requirements.txt
	touch $@

models: $(MODELS_VENV)/installed
	$(MODELS_VENV)/bin/python tests/reference/models/audit.py -o models.jsonl --folder .models
	$(MODELS_VENV)/bin/python tests/reference/models/audit.py -o models.jsonl --folder .models --converters

readers: $(READERS_VENV)/installed
	$(READERS_VENV)/bin/python tests/reference/readers.py

reference: $(REFERENCE_VENV)/installed
	$(REFERENCE_VENV)/bin/pytest -p no:anyio tests/reference  # litert-torch brings anyio, whose plugin warns at load

zoo: $(VENV)/installed-dev
	$(BIN)/pytest tests/reference/whole_zoo.py

processes: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "" tests/cli/test_processes.py

adbd: $(VENV)/installed-dev
	$(BIN)/pytest tests/adbd -rs

android: $(VENV)/installed-dev
	$(BIN)/pytest tests/android -rs --durations=0 --log-cli-level=INFO

# The seconds are for the damaged inputs, and again for the kills; the surroundings take as long as they take.
robustness: $(VENV)/installed-dev
	$(BIN)/python tests/robustness/robustness.py --seconds $(ROBUSTNESS_SECONDS) --seed $(ROBUSTNESS_SEED) --inputs $(ROBUSTNESS_INPUTS)
	$(BIN)/python tests/robustness/kills.py --seconds $(ROBUSTNESS_SECONDS) --seed $(ROBUSTNESS_SEED) --kills $(ROBUSTNESS_KILLS)
	$(BIN)/python tests/robustness/surroundings.py

benchmarks: $(VENV)/installed-dev
	$(BIN)/python tests/benchmarks/bench_export.py
	$(BIN)/python tests/benchmarks/bench_formats.py
	$(BIN)/python tests/benchmarks/bench_against_litert.py
	$(BIN)/pytest -o addopts=--import-mode=importlib -s tests/benchmarks/bench_search.py

clean:
	rm -rf $(VENV) $(SECURITY_VENV) $(TRACKING_VENV) $(REFERENCE_VENV) $(MODELS_VENV) $(READERS_VENV) .models .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site dist build .coverage
