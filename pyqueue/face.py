"""Every name of ``import pyqueue``."""

from pyqueue.app import PyQueue as PyQueue
from pyqueue.canvas import Chunks as Chunks
from pyqueue.canvas import chain as chain
from pyqueue.canvas import chord as chord
from pyqueue.canvas import chunks as chunks
from pyqueue.canvas import group as group
from pyqueue.canvas import xmap as xmap
from pyqueue.canvas import xstarmap as xstarmap
from pyqueue.celery import Celery as Celery
from pyqueue.check import Check as Check
from pyqueue.group_result import GroupResult as GroupResult
from pyqueue.request import current_task as current_task
from pyqueue.result import AsyncResult as AsyncResult
from pyqueue.result_set import ResultSet as ResultSet
from pyqueue.retry_rule import RetryRule as RetryRule
from pyqueue.shared import shared_task as shared_task
from pyqueue.signature import Signature as Signature
from pyqueue.task import Task as Task
