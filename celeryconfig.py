"""Celery's settings, each with its reason. The addresses come from Tidemark's own configuration file.

The settings of the first block hold only together: with them two nodes and many chains never interleave, and no message
is lost or stuck (tests/acceptance/test_fleet_*.py try it).
"""

from __future__ import annotations

from kombu import Queue

import beat_schedule as _beat
from tidemark import config as _config
from tidemark import fleet as _fleet
from tidemark.errors import ConfigError as _ConfigError

try:
    _settings = _config.load()
    _url = _fleet.broker_url(_settings.redis)
    _tls = _fleet.tls_options(_settings.redis)
except _ConfigError as _error:
    # Celery would print a traceback of its own import machinery; whoever starts a node wants the one sentence.
    raise SystemExit(f"Error: {_error}") from None

# One chain at a time per node, and always on that node ---------------------------------------------------------------

task_acks_late = True  # the next step is published before the ack, so it is the next thing that the node sees
task_reject_on_worker_lost = False  # a step that kills its worker must fail, not loop
worker_concurrency = 1  # a node is one machine that does one run at a time; control workers say -c 4
worker_prefetch_multiplier = 1  # take nothing that another node could be doing
worker_eta_task_limit = 1  # a retry that is waiting keeps the only slot: no other chain slips in between
worker_deduplicate_successful_tasks = True  # a message that came twice (a broken connection) does its work once
worker_cancel_long_running_tasks_on_connection_loss = False  # a blip must not kill hours of work
worker_enable_prefetch_count_reduction = True  # after a lost connection: count what is still running

# Redis as the broker -------------------------------------------------------------------------------------------------

broker_url = _url
broker_use_ssl = _tls  # None, or how: with the certificate and its name checked
broker_connection_retry_on_startup = True  # a node that boots before Redis waits for it
broker_connection_max_retries = None  # and goes on waiting: nodes are started by nobody in particular
broker_transport_options = {
    "queue_order_strategy": "priority",  # a node's own queue, named first, goes before the shared one
    # Longer than any step takes: the timeout is not renewed while a task runs, and a message that becomes visible again
    # is done twice at the same time. What a killed node held comes back when it starts (tasks/worker/recovery.py).
    "visibility_timeout": 7 * 86400,
}
task_publish_retry = True
task_publish_retry_policy = {  # Redis restarts: a step that took hours waits for it instead of failing its chain
    "max_retries": 10**6,
    "interval_start": 0.2,
    "interval_step": 0.5,
    "interval_max": 5,
}

# Queues --------------------------------------------------------------------------------------------------------------

task_queues = (
    Queue("backup"),
    Queue("control"),
)  # a node adds its own in front (tasks/worker/node.py)
task_default_queue = "backup"
task_create_missing_queues = True  # the nodes' own queues
task_routes = {
    "tasks.backup": {"queue": "backup"},
    "tasks.janitor": {"queue": "control"},
    "tasks.notify": {"queue": "control"},
}

# Results and events --------------------------------------------------------------------------------------------------

result_backend = _url
redis_backend_use_ssl = _tls
result_backend_always_retry = True  # Redis restarts: see above
result_extended = True  # Flower and `celery result` name the task and the shard
result_expires = 7 * 86400  # a week's failures can be looked up
task_track_started = True  # the id that somebody enqueued is STARTED until its chain's end
worker_send_task_events = True  # for Flower
task_send_sent_event = True

# JSON only: a message can name tasks and carry plain values, never code.
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"

# Time ----------------------------------------------------------------------------------------------------------------

timezone = "UTC"
enable_utc = True
# No task_time_limit: how long a step may take is the step's own business (stall_timeout, start_timeout, stop_timeout),
# judged by progress. A limit by the clock would kill the largest shard's first backup.

# Logs ----------------------------------------------------------------------------------------------------------------

worker_hijack_root_logger = True  # the engine's own log lines appear in the worker's log
worker_redirect_stdouts_level = "INFO"
worker_log_format = "%(asctime)s %(levelname)s %(processName)s%(where)s %(message)s"
worker_task_log_format = worker_log_format  # tasks/worker/logs.py fills in "where": shard, step and run

# Modules that a worker or beat loads ---------------------------------------------------------------------------------

imports = (
    "tasks.worker.logs",
    "tasks.worker.node",
    "tasks.worker.recovery",
    "tasks.worker.revoked",
    "tasks.backup",
    "tasks.restore",
    "tasks.catchup",
    "tasks.stop",
    "tasks.upload",
    "tasks.cleanup",
    "tasks.janitor",
    "tasks.notify",
    "tasks.sweep",
)

# Beat ----------------------------------------------------------------------------------------------------------------

beat_schedule = _beat.build(_settings)
beat_scheduler = "tasks.beat.scheduler:Scheduler"  # RedBeat, so that a second beat can stand by
beat_max_loop_interval = 10  # seconds; half of what RedBeat needs to keep its lock with ease
redbeat_lock_timeout = 60  # seconds until the second beat takes over; the default is 25 minutes
redbeat_redis_url = _settings.redis.url  # `celery inspect conf` shows it: no password (tasks/beat/scheduler.py)
redbeat_redis_options = {"decode_responses": True}
redbeat_key_prefix = "tidemark:beat:"
