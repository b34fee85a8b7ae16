"""Settings of the backup of an app's volumes and of its MariaDB database."""

from components.settings.fields import DnsLabel, PositiveInt, Schedule
from components.settings.kubernetes_fields import Cpu, Image, Size
from components.settings.model import Model, SecretRef


class AppBackupSettings(Model):
    """Backup of the files in the app's volumes, and of its MariaDB database, by restic in the bucket of
    `platform.objectStore`."""

    password: SecretRef
    """Pulumi secret that contains the password with which restic encrypts the backups. Without the password, nobody
    can restore them."""
    schedule: Schedule = "0 3 * * *"
    """Start times of backups: a cron schedule with five fields."""
    volumes: tuple[DnsLabel, ...] = ()
    """Names of the volumes to back up. Default: all volumes of the app that are PersistentVolumeClaims."""
    keep_daily: PositiveInt = 7
    """Number of days of which restic keeps the latest backup (--keep-daily)."""
    keep_weekly: PositiveInt = 4
    """Number of weeks of which restic keeps the latest backup (--keep-weekly)."""
    keep_monthly: PositiveInt = 6
    """Number of months of which restic keeps the latest backup (--keep-monthly)."""
    image: Image | None = None
    """Container image of restic 0.18 or newer. Default: docker.io/restic/restic, in the version of homelab's
    catalog."""
    cpu: Cpu = "50m"
    """CPU request of restic's container."""
    memory: Size = "512Mi"
    """Memory request and limit of restic's container. A backup of millions of files needs more."""
