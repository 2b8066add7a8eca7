"""`python -m vim_pipelines.cli`."""

from vim_pipelines.cli import main

main()
