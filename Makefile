# The commands of this project; "make help" lists them.  What they do is in
# tools/ (the tests and the development environment) and sandbox/ (a cloud).

# The Ceph bindings are built for the distribution's own Python.
PYTHON3 := /usr/bin/python3
# For pytest: make unit ARGS='-k clone -x'
ARGS ?=
# What "make chaos" and "make chaos-fake" run: SEEDS=200, or one SEED=17; with
# AGAINST=intree-deletion, flatten-with-map or reuse-by-fast-diff it has to
# find that this loses bytes
SEEDS ?=
SEED ?=
AGAINST ?=
CHAOS = $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(AGAINST),--against $(AGAINST)) $(ARGS)
# For the benchmarks: make bench QUICK=1; make bench CASES=cached-clone
QUICK ?=
CASES ?=
# Whose tests "make tempest" runs: ours, intree
DRIVER ?= ours
# NOVA=1: the sandbox has Nova as well, also for the other sandbox commands
NOVA ?=
SANDBOX_NOVA ?= $(NOVA)
export SANDBOX_NOVA
# A source tree of Cinder: make next CINDER_SRC=/src/cinder
CINDER_SRC ?=
# Where to build the package: make deb SUITE=sid ARGS=--test
SUITE ?=
# Hostile images: make mutations COUNT=5000 SEED=1; ALL_WAYS=1: each by every
# way; CORPUS=1: those that were made by hand, by every way
COUNT ?= 5000
ALL_WAYS ?=
CORPUS ?=
# What to restart: make sandbox-restart SERVICE=cinder-volume
SERVICE ?=

SUITES := lint types unit contract docs functional devstack e2e
SANDBOX := $(addprefix sandbox-,up down purge status env restart)

RBD_MIRROR := /usr/bin/rbd-mirror

.PHONY: help setup test $(SUITES) $(SANDBOX) mirror demo chaos chaos-fake tempest bench storm mutations format sample-config constraints matrix next cinder-names docs-run dist deb release-check clean

help: ## this list
	@sed 's/$$(SUITES)/$(SUITES)/; s/$$(SANDBOX)/$(SANDBOX)/' Makefile \
	    | sed -n 's/^\([a-z][^:=]*\):[^=].*## \(.*\)/  \1\n      \2/p'

test: setup ## all suites; ends with a line of counts
	@.venv/bin/python -m tools.run_tests --pytest-args='$(ARGS)'

$(SUITES): setup ## one suite; ARGS goes to pytest
	@.venv/bin/python -m tools.run_tests --pytest-args='$(ARGS)' $@

mirror: setup | $(RBD_MIRROR) ## two clusters, failover and the way back
	@.venv/bin/python -m tools.run_tests --pytest-args='$(ARGS)' $@

setup: ## the development environment in .venv
	@tools/setup-dev.sh

$(SANDBOX): | $(PYTHON3) ## the one-machine cloud in .sandbox
	@$(PYTHON3) -m sandbox $(@:sandbox-%=%) $(SERVICE)

demo: | $(PYTHON3) ## volumes from one image, four ways, in the sandbox
	@$(PYTHON3) -m sandbox.demo

bench: setup ## compare the drivers; QUICK=1, CASES='...'
	@.venv/bin/python -W ignore -m bench $(if $(QUICK),--quick) $(CASES)

storm: setup ## 1,000 volumes at once through the API; QUICK=1: 50
	@.venv/bin/python -W ignore -m bench $(if $(QUICK),--quick) storm

chaos: setup ## random sequences, crashes and Ceph's faults; SEEDS=200, SEED=17
	@.venv/bin/python -W ignore -m tests.chaos $(CHAOS)

chaos-fake: setup ## the same in memory, for every night; SEEDS=10000, SEED=17
	@.venv/bin/python -W ignore -m tests.chaos --fake --seeds 10000 $(CHAOS)

tempest: | $(PYTHON3) ## Tempest in a sandbox of its own; DRIVER=intree to compare
	@$(PYTHON3) -m tests.tempest --driver $(DRIVER)

mutations: setup ## thousands of hostile images into volumes; COUNT, SEED
	@.venv/bin/python -W ignore -m tests.functional.importer.mutate \
	    --count $(COUNT) --seed $(or $(SEED),1) $(if $(ALL_WAYS),--all-ways) \
	    $(if $(CORPUS),--corpus) $(ARGS)

format: setup ## sort the imports, mend what ruff can
	@.venv/bin/isort --quiet .
	@.venv/bin/ruff check --fix --quiet .

sample-config: setup ## etc/rbd_imgdriver/rbd_imgdriver.conf.sample
	@tools/sample-config.sh

matrix: ## the tests on other releases of Cinder, Ceph and Python
	@$(PYTHON3) -m tools.matrix $(ARGS)

next: ## the tests on Cinder's next release; CINDER_SRC=DIRECTORY for its source
	@$(PYTHON3) -m tools.next_cinder --source '$(CINDER_SRC)' $(ARGS)

constraints: ## renew the pinned versions in tools/constraints.txt
	@tools/renew-constraints.sh

cinder-names: setup ## which of Cinder's names that we rely on have changed
	@.venv/bin/python -W ignore -m tools.cinder_names

docs-run: setup ## the commands in the documentation; needs a sandbox
	@.venv/bin/python -m tools.docs_run $(ARGS)

dist: setup ## the source archive and the wheel, in dist/
	@.venv/bin/python -W ignore -m tools.dist

deb: setup ## the Debian package; SUITE=trixie: in a root of that suite
	@.venv/bin/python -W ignore -m tools.deb $(if $(SUITE),--suite $(SUITE)) $(ARGS)

release-check: setup ## all that a release needs; ARGS=--rehearse without a tag
	@.venv/bin/python -W ignore -m tools.release_check $(ARGS)

$(PYTHON3):
	@apt-get -q update && apt-get -q install -y --no-install-recommends python3

$(RBD_MIRROR):
	@apt-get -q update && apt-get -q install -y --no-install-recommends rbd-mirror

clean: ## what was built; the environment and the sandbox stay
	@rm -rf build dist doc/build .test-results .mypy_cache .ruff_cache *.egg-info
