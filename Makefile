# The same as ./run and ./run test, and each check alone. `make` lists the targets.

BIN := .venv/bin

.PHONY: help run test style types layers audit notebook-e2e soak screenshot bench bench-quick load wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start the feed on the shipped tapes (./run)
	@./run

test: ## every check and every test (./run test)
	@./run test

style: $(BIN)/ruff ## mend what ruff can mend, and name the rest
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

types: $(BIN)/mypy ## mypy --strict
	@$(BIN)/mypy

layers: $(BIN)/lint-imports ## who imports whom
	@$(BIN)/lint-imports --no-logo

audit: $(BIN)/ruff ## known weaknesses in what is installed (asks the package index), and in our own code
	@$(BIN)/pip install --quiet pip-audit bandit
	@$(BIN)/bandit --quiet --recursive feed --severity-level medium
	@$(BIN)/pip freeze --local --exclude-editable >.audit.txt
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement .audit.txt; status=$$?; \
		rm -f .audit.txt; [ $$status = 0 ] || echo 'audit: this is no pass: see the line above' >&2; \
		exit $$status

notebook-e2e: $(BIN)/ruff ## a notebook in JupyterLab and Notebook 7 under Chromium; pictures in docs/
	@$(BIN)/python -c 'import jupyterlab, notebook' 2>/dev/null || $(BIN)/pip install --quiet jupyterlab notebook
	@$(BIN)/python -m tests.integration.frontends $(ARGS)

soak: $(BIN)/ruff ## long tests that want a quiet machine (ten minutes)
	@$(BIN)/pytest -m soak

screenshot: $(BIN)/ruff ## docs/dashboard.png, from the real page
	@$(BIN)/python -m tests.web.screenshot

bench: $(BIN)/ruff ## every figure of docs/PERFORMANCE.md, side by side with other servers (an hour)
	@$(BIN)/python -c 'import matplotlib' 2>/dev/null || $(BIN)/pip install --quiet -e '.[bench]'
	@$(BIN)/python -m benchmarks.run $(ARGS)

bench-quick: $(BIN)/ruff ## indicative figures in two minutes
	@$(BIN)/python -m benchmarks.run --quick $(ARGS)

SCENARIO ?=
USERS ?= 50
MINUTES ?= 0.2

load: $(BIN)/ruff ## load runs: SCENARIO=market_open USERS=2000 MINUTES=5 (default: each, shortly)
	@$(BIN)/python -c 'import locust' 2>/dev/null || $(BIN)/pip install --quiet -e '.[load]'
	@$(BIN)/python -m locustfiles $(SCENARIO:%=--scenario %) --users $(USERS) --minutes $(MINUTES) $(ARGS)

wheel: ## build dist/feed-VERSION.whl
	@./run --version
	@$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove everything that can be made again
	rm -rf .venv build dist *.egg-info .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/%:
	@./run test --version
