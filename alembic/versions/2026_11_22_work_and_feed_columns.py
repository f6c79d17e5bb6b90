"""work of a job, and what the feed says of a change"""

import sqlalchemy as sa
from alembic import op

revision = '2f0c5d0f9a41'
down_revision = '683e6d692aa1'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('work', sa.Float(), server_default='0', nullable=False))
    # Not as a batch: on SQLite that would copy the table and forget how far its positions had counted.
    op.add_column('changes', sa.Column('verb', sa.String(length=32), server_default='', nullable=False))
    op.add_column('changes', sa.Column('model', sa.String(length=128), server_default='', nullable=False))
    op.add_column('changes', sa.Column('seconds', sa.Float(), nullable=True))


def downgrade() -> None:
    for name in ('seconds', 'model', 'verb'):
        op.drop_column('changes', name)
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.drop_column('work')
