"""what schedules and triggers made last may be a group"""

from alembic import op

revision = 'd1c7a4f0e683'
down_revision = 'd7a2f9c04b18'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ('schedules', 'triggers'):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column('last_job_id', new_column_name='last_made_id')


def downgrade() -> None:
    for table in ('schedules', 'triggers'):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column('last_made_id', new_column_name='last_job_id')
