"""Whether what people decided is carried out: asked each night here, and each hour by the job `approvals_sweep`, which fails where it is not."""

import dagster as dg

from vim_pipelines.check_results import result_of

QUEUE = dg.AssetKey(["ops", "approval_requests"])
DRAINING = "queue_is_draining"


@dg.asset_check(
    asset=QUEUE,
    name=DRAINING,
    description="No approval, message or edit waits longer than VIMOTION_DRAIN_MINUTES. A sensor that crashes tells nobody; this does, and the hourly sweep fails with it.",
    required_resource_keys={"settings", "store"},
)
def queue_is_draining(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Ask the store how long the oldest of each has waited."""
    from vim_pipelines.approvals.deliveries import channels_of
    from vim_pipelines.approvals.sweeping import draining_verdict, stuck

    settings = context.resources.settings
    return result_of(draining_verdict(stuck(context.resources.store, settings, [channel.name for channel in channels_of(settings)], settings.now())))
