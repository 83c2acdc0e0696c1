"""Studies: arms x budgets x seeds x data sets from one file, over stages that are computed once and shared."""
