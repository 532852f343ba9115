"""`python -m deploys._engine`: the child process. gevent must patch before anything else is imported."""

from gevent import monkey

monkey.patch_all()

from deploys._engine.child import main  # noqa: E402

raise SystemExit(main())
