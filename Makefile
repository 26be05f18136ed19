# What a newcomer runs. Each target sets up what it needs in .venv; nothing is installed outside it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Other SQLAlchemys for the tests that are about it, beside the one that is installed: the latest of each series, and
# what is to come, if the package index has a pre-release.
SQLALCHEMY_2.0  := 'sqlalchemy>=2.0,<2.1'
SQLALCHEMY_2.1  := 'sqlalchemy>=2.1,<2.2'
SQLALCHEMY_next := --pre 'sqlalchemy>=2.1'
PAGES := README alembic migration sqlalchemy sqlalchemy-rows sqlalchemy-search

# PySpark for the tests of what needs it, with the pandas that it supports.
SPARK := $(VENV)/spark

# The DynamoDB whose global tables replicate, which needs another botocore than ours.
MINISTACK := $(VENV)/ministack

# aioboto3 for the tests of what needs it, with the botocore that it wants, which is seldom the latest.
AIO := $(VENV)/aio

# What makes the site.
DOCS := $(VENV)/docs

# What fieldcrypt is compared with stays out of the tests' environment.
BENCH := $(VENV)/bench

# The fuzzer, which is for Linux and macOS, and not for every Python.
FUZZ := $(VENV)/fuzz

# The native core, beside the tests' environment, so that `make test` runs without it; and what builds it.
NATIVE  := $(VENV)/native
MATURIN := $(VENV)/maturin
NATIVE_TESTS := tests/native tests/core tests/format tests/columns tests/search tests/declaration tests/pydantic tests/pynamodb

# Each wheel serves all Pythons from 3.11 on. Zig links them, so that they run with C libraries as old as their names say.
WHEELS := x86_64-unknown-linux-gnu:manylinux_2_17 aarch64-unknown-linux-gnu:manylinux_2_17 x86_64-unknown-linux-musl:musllinux_1_2

# What builds and checks a release.
RELEASE := $(VENV)/release

# What changes the code, to see whether a test notices.
MUTANTS := $(VENV)/mutants

.PHONY: dist sbom matrix coverage mutants
.PHONY: cargo native native-beside native-check test-native test-native-fips test-native-long wheels
.PHONY: docs docs-links demo test test-servers test-aio test-spark test-long test-long-rows test-long-migrations test-long-keys test-long-values test-search fuzz lint types wheel-check vectors bench bench-check clean

demo: $(VENV)/.stamp
	$(BIN)/fieldcrypt demo $(ARGS)

test: $(VENV)/.stamp $(VENV)/.mariadb $(MINISTACK)/.stamp
	$(BIN)/pytest $(ARGS)
	$(if $(ARGS),,$(MAKE) test-aio)

# Each test on all databases, where `make test` takes SQLite, PostgreSQL or MariaDB, and moto or ministack.
test-servers: $(VENV)/.stamp $(VENV)/.mariadb $(MINISTACK)/.stamp
	$(BIN)/pytest --all-servers $(ARGS)

test-aio: $(AIO)/.stamp $(MINISTACK)/.stamp
	PYTHONPATH=$(AIO) $(BIN)/pytest --aio tests/dynamodb/aio 'tests/project/test_docs.py::test_the_examples_of_a_page_run[dynamodb-async.md]' $(ARGS)

# Of a series, such as test-sqlalchemy-2.0, it fails if it is another SQLAlchemy after all.
test-sqlalchemy-%: $(VENV)/sqlalchemy-%/.stamp $(VENV)/.mariadb $(MINISTACK)/.stamp
	PYTHONPATH=$(VENV)/sqlalchemy-$* $(BIN)/pytest --all-servers $(if $(filter next,$*),,--sqlalchemy $*) $(PAGES:%='tests/project/test_docs.py::test_the_examples_of_a_page_run[%.md]') $$(grep -rlE --include='test_*.py' '^(from|import) ((fieldcrypt_)?sqlalchemy|tests\.(sqlalchemy|migration|alembic))' tests | grep -vE 'pynamodb|same_field|old_readers|celery') $(ARGS)

# Not part of .ci/run, which has no time for it: installing PySpark alone takes most of a minute. It needs Java 17 or later.
# Java stays in the directory that it was started in, so the examples of docs/guides/spark.md have one of their own.
test-spark: $(SPARK)/.stamp $(MINISTACK)/.stamp
	PYTHONPATH=$(SPARK) $(BIN)/pytest --spark tests/*/test_spark*.py $(ARGS)
	PYTHONPATH=$(SPARK) $(BIN)/pytest --spark tests/project/test_docs.py -k spark.md

# Not part of .ci/run either: they take some minutes, and do something else each time. They print what they did. With
# make -j2 both go at once.
test-long: test-long-rows test-long-migrations test-long-keys test-long-values

test-long-rows: $(VENV)/.stamp $(VENV)/.mariadb
	$(BIN)/pytest --long -o faulthandler_timeout=1800 tests/sqlalchemy/test_row_machine.py $(ARGS)

# To tell a story again that failed: ARGS="-k 'mariadb and uuid' --seed 7"
test-long-migrations: $(VENV)/.stamp $(VENV)/.mariadb
	$(BIN)/pytest --long -o faulthandler_timeout=1800 tests/migration/test_property.py $(ARGS)

test-long-keys: $(VENV)/.stamp
	$(BIN)/pytest --long -o faulthandler_timeout=1800 tests/keys/test_key_model.py $(ARGS)

# 100,000 values each way, converted to DynamoDB's form and from it, beside boto3.
test-long-values: $(VENV)/.stamp
	$(BIN)/pytest --long -o faulthandler_timeout=1800 tests/dynamodb/test_serializer.py $(ARGS)

# Random people and questions, of all kinds of indexes, beside the same people without protection.
test-search: $(VENV)/.stamp $(VENV)/.mariadb
	$(BIN)/pytest --long -o faulthandler_timeout=1800 tests/search/test_terms_property.py tests/*/test_search_property.py $(ARGS)

# First of what needs Rust, before minutes go into anything else. No other target asks for it.
cargo:
	@command -v cargo >/dev/null || { echo "The native core is written in Rust, and there is no cargo here: install Rust with rustup. Everything else works without it." >&2; exit 1; }

# Builds the native core and installs it in .venv, where it is used from then on; uninstalling it goes back.
native: cargo $(VENV)/.stamp $(MATURIN)/.stamp
	rm -rf build/native-wheel
	cd native && $(abspath $(MATURIN))/bin/maturin build --release --quiet --interpreter $(abspath $(BIN))/python --out ../build/native-wheel
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps build/native-wheel/*.whl
	@$(BIN)/python -c 'import fieldcrypt; print("the backend is", fieldcrypt.backend())'
	@echo "To go back: $(BIN)/python -m pip uninstall fieldcrypt-native"

native-beside: cargo $(VENV)/.stamp $(MATURIN)/.stamp
	rm -rf $(NATIVE)
	cd native && $(abspath $(MATURIN))/bin/maturin build --release --quiet --interpreter $(abspath $(BIN))/python --out $(abspath $(NATIVE))/wheel
	$(BIN)/python -m pip install --quiet --no-deps --target $(NATIVE) $(NATIVE)/wheel/*.whl

# What is quick and uses keys, with the native core. Any test can be named instead: make test-native ARGS=tests/sqlalchemy
test-native: native-beside $(VENV)/.mariadb $(MINISTACK)/.stamp
	PYTHONPATH=$(abspath $(NATIVE)) FIELDCRYPT_BACKEND=native $(BIN)/pytest $(or $(ARGS),$(NATIVE_TESTS))

# The same with the FIPS build, which needs Go too and takes minutes the first time.
test-native-fips: cargo $(VENV)/.stamp
	@command -v go >/dev/null || { echo "The FIPS module is built with Go, and there is none here." >&2; exit 1; }
	cd native && cargo build --release --quiet --no-default-features --features extension-module,fips --target-dir $(abspath $(NATIVE))-fips/target
	cp $(NATIVE)-fips/target/release/libfieldcrypt_native.so $(NATIVE)-fips/fieldcrypt_native.abi3.so
	PYTHONPATH=$(abspath $(NATIVE))-fips FIELDCRYPT_BACKEND=native-fips $(BIN)/pytest $(or $(ARGS),tests/native tests/core tests/format tests/keys)

# A million values through both backends.
test-native-long: native-beside
	PYTHONPATH=$(abspath $(NATIVE)) FIELDCRYPT_BACKEND=native $(BIN)/pytest --long -o faulthandler_timeout=1800 tests/native $(ARGS)

# Format, clippy, the tests of the crate, and that the texts of licences were collected. If there is cargo-deny, also which
# licences, where crates come from, and, if the list of them can be fetched, known holes.
native-check: cargo
	cd native && cargo fmt --check && cargo clippy --release --quiet --all-targets -- -D warnings
	cd native && cargo test --release --quiet
	$(PYTHON) tests/support/native_licences.py --check
	@cd native && if ! command -v cargo-deny >/dev/null; then echo "without cargo-deny: cargo install cargo-deny"; \
	  elif cargo deny fetch db; then cargo deny check; \
	  else echo "without the list of known holes"; cargo deny check licenses bans sources; fi

# All wheels and the source distribution, into build/wheels, without the paths of this machine; then each is looked into, and what fits this machine is used.
wheels: cargo $(VENV)/.stamp $(MATURIN)/.stamp
	rm -rf build/wheels
	cd native && for each in $(WHEELS); do \
	  if command -v rustup >/dev/null; then rustup --quiet target add $${each%:*}; fi && \
	  RUSTFLAGS="--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}/registry/src=crates --remap-path-prefix=$(CURDIR)=." \
	  PATH="$(abspath $(MATURIN))/bin:$$PATH" maturin build --release --quiet --zig --target $${each%:*} --compatibility $${each#*:} --out ../build/wheels || exit; \
	done
	cd native && $(abspath $(MATURIN))/bin/maturin sdist --out ../build/wheels
	$(BIN)/python tests/support/check_native_wheels.py build/wheels $(ARGS)

# Nor is this: ten minutes of random inputs for all decoders. `make fuzz ARGS=60` takes one.
fuzz: $(FUZZ)/.stamp
	PYTHONPATH=$(FUZZ) $(BIN)/python -m tests.format.fuzz $(ARGS)

.PRECIOUS: $(VENV)/sqlalchemy-%/.stamp

lint: $(VENV)/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: $(VENV)/.stamp
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python

# The site, in build/docs, without a network: open build/docs/index.html. What warns fails, dead links and anchors too.
docs: $(DOCS)/.stamp
	$(DOCS)/bin/python -m sphinx --fresh-env --fail-on-warning --keep-going --nitpicky --quiet --doctree-dir build/doctrees docs build/docs $(ARGS)

# Whether what it links to elsewhere is there, which needs a network.
docs-links: $(DOCS)/.stamp
	$(DOCS)/bin/python -m sphinx --builder linkcheck --quiet --doctree-dir build/doctrees docs build/docs-links $(ARGS)

# For example: make bench ARGS="field peers --quick". With the native core, if there is cargo to build it.
bench: $(BENCH)/.stamp $(shell command -v cargo >/dev/null && echo native-beside)
	@mkdir -p build
	PYTHONPATH=$(NATIVE) $(BENCH)/bin/python -m benchmarks --html build/benchmarks.html $(ARGS)

# Fails if something takes more times as long as its floor than benchmarks/limits.toml allows; of the native core, too, if
# it was built beside the tests.
bench-check: $(VENV)/.stamp
	PYTHONPATH=$(NATIVE) $(BIN)/python -m benchmarks --check $(ARGS)

# Builds the wheel and imports every package from it, in a venv that has never seen this checkout.
wheel-check: $(VENV)/.stamp
	$(BIN)/python tests/support/check_wheel.py

# The wheel and the source distribution, into dist/: built twice to the same bytes, and checked as the package index does.
dist: $(RELEASE)/.stamp
	$(RELEASE)/bin/python -m tests.support.release.distributions

# What each extra brings along, as CycloneDX, into dist/sbom/.
sbom: dist
	$(RELEASE)/bin/python -m tests.support.release.sbom dist/fieldcrypt-*.whl

# The quick tests with every Python, SQLAlchemy and lowest dependency that is promised. For one: make matrix ARGS=lowest
matrix: $(RELEASE)/.stamp
	$(RELEASE)/bin/python -m tests.support.release.matrix $(ARGS)

# What the tests run of the code, branches included. That takes twice the time of make test, so what measures time is left
# out, and so is what counts imports.
coverage: $(VENV)/.stamp $(VENV)/.mariadb $(MINISTACK)/.stamp $(AIO)/.stamp
	rm -rf build/coverage
	$(BIN)/coverage run -m pytest -o faulthandler_timeout=3600 --ignore=tests/format/test_fuzzing.py --deselect=tests/project/test_architecture.py::test_the_core_is_light $(ARGS)
	$(if $(ARGS),,PYTHONPATH=$(AIO) $(BIN)/coverage run -m pytest --aio tests/dynamodb/aio)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet --directory build/coverage/html
	$(BIN)/coverage report

# Changes the code of the format, of rotation and of the row rule, one change at a time, and says which ones no test notices.
# That takes hours: `make mutants ARGS=--every=10` tries a tenth of them, and ARGS='fieldcrypt.format.cbor*' those of a file.
mutants: $(VENV)/.stamp $(MUTANTS)/.stamp
	PYTHONPATH=$(abspath $(MUTANTS)) $(BIN)/python -m tests.support.release.mutants $(ARGS)

# Rewrites tests/vectors from the code; the independent check then has to agree.
vectors: $(VENV)/.stamp
	$(BIN)/python tests/vectors/generate.py
	$(BIN)/python tests/vectors/check.py

$(VENV)/.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"fieldcrypt needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all,demo]' --group dev
	@touch $@

$(VENV)/sqlalchemy-%/.stamp: $(VENV)/.stamp
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --target $(@D) --no-deps $(SQLALCHEMY_$*)
	@touch $@

$(SPARK)/.stamp: $(VENV)/.stamp
	rm -rf $(SPARK)
	$(BIN)/python -m pip install --quiet --target $(SPARK) 'pyspark>=4.0' 'pandas>=2.2,<3' 'python-dateutil<3'
	@touch $@

$(AIO)/.stamp: pyproject.toml $(VENV)/.stamp
	rm -rf $(AIO)
	$(BIN)/python -m pip install --quiet --target $(AIO) 'aioboto3>=13.2'
	@touch $@

$(DOCS)/.stamp: pyproject.toml
	rm -rf $(DOCS)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(DOCS)/bin/python -m pip install --quiet --editable '.[all,pydantic,sqlmodel,pandas,polars]' --group docs
	@touch $@

$(FUZZ)/.stamp: $(VENV)/.stamp
	rm -rf $(FUZZ)
	$(BIN)/python -m pip install --quiet --target $(FUZZ) 'atheris>=3'
	@touch $@

$(MUTANTS)/.stamp: $(VENV)/.stamp
	rm -rf $(MUTANTS)
	$(BIN)/python -m pip install --quiet --target $(MUTANTS) 'mutmut>=3.8'
	@touch $@

$(RELEASE)/.stamp: pyproject.toml
	rm -rf $(RELEASE)
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(RELEASE)/bin/python -m pip install --quiet --group release
	@touch $@

$(MATURIN)/.stamp:
	rm -rf $(MATURIN)
	$(PYTHON) -m venv $(MATURIN)
	$(MATURIN)/bin/python -m pip install --quiet 'maturin>=1.9,<2' ziglang
	@touch $@

$(MINISTACK)/.stamp: tests/support/ministack.txt $(VENV)/.stamp
	rm -rf $(MINISTACK)
	$(BIN)/python -m venv $(MINISTACK)
	$(MINISTACK)/bin/python -m pip install --quiet --requirement tests/support/ministack.txt
	@touch $@

$(BENCH)/.stamp: pyproject.toml
	rm -rf $(BENCH)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BENCH)/bin/python -m benchmarks.install_peers
	@touch $@

# MariaDB for the tests, unless this machine has it. If it cannot be had, the tests go on, and those that need it fail.
$(VENV)/.mariadb: $(VENV)/.stamp
	-$(BIN)/python -m tests.support.install_mariadb && touch $@

clean:
	rm -rf $(VENV) build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis
