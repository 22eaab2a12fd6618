"""A pytest plugin: Hypothesis does not make a failing example smaller; that there is one is enough."""

from hypothesis import Phase, settings

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])
settings.load_profile("unshrunk")
