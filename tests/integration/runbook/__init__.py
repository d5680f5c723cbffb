"""docs/runbook.md: each section on a system that is broken as the section says."""
