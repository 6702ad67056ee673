"""Model providers: what is configured, the calls to them with their limits, and the offline demo model.

A call goes through these modules: ``registry`` finds the provider, ``retry`` tries again behind the provider's gate
(``rate_limit``), ``provider_model`` sends the request on the connections of ``transport`` and reads the answer as one
``*_wire`` module understands it. What is heard are the pieces of ``answer``; what goes wrong, classes of ``failures``.
"""
