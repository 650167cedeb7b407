"""The command line: one file a verb. A verb parses, calls a stage, prints. Only this package prints."""
