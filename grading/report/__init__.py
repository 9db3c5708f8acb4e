"""Present the results: tables, CSV, the report page, feedback pages, item analysis."""
