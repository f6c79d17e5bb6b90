"""The generative models: catalog, loading, pipelines, and the model that ships."""
