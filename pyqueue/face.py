"""Every name of ``import pyqueue``."""

from pyqueue.app import PyQueue as PyQueue
from pyqueue.canvas import Chunks as Chunks
from pyqueue.celery import Celery as Celery
from pyqueue.check import Check as Check
from pyqueue.group_result import GroupResult as GroupResult
from pyqueue.request import current_task as current_task
from pyqueue.result import AsyncResult as AsyncResult
from pyqueue.retry_rule import RetryRule as RetryRule
from pyqueue.shared import shared_task as shared_task
from pyqueue.signature import Signature as Signature
from pyqueue.task import Task as Task
