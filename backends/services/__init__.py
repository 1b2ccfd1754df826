"""The servers of this project that models are behind: the supervisor, and the TF-IQA worker."""
