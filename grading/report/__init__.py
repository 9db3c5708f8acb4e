"""What people read afterwards: tables, CSV, the report page, feedback pages, item analysis."""
