"""`python -m deploy.local`, which is what `make run` runs."""

from deploy.local.launcher import main

if __name__ == "__main__":
    raise SystemExit(main())
