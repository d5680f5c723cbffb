"""What a release is made with: wheel, bill of materials, licences, audit. docs/releasing.md says in which order."""
