"""`pytest verify/ --env NAME` runs the checks; everything is in the plugin."""

pytest_plugins = ("verify.plugin",)
