"""groups and their members"""

import sqlalchemy as sa
from alembic import op

import storage.engine

revision = 'e7b3f09a52d8'
down_revision = '841368c760a6'
branch_labels = None
depends_on = None

_MOMENT = storage.engine.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'groups',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('tenant', sa.String(length=64), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('join', sa.JSON(), nullable=False),
        sa.Column('on_failure', sa.String(length=16), nullable=False),
        sa.Column('deadline', _MOMENT, nullable=True),
        sa.Column('metadata', sa.JSON(), nullable=False),
        sa.Column('webhook', sa.Text(), nullable=True),
        sa.Column('cancel_requested', sa.Boolean(), nullable=False),
        sa.Column('chosen', sa.JSON(), nullable=False),
        sa.Column('error', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('created_at', _MOMENT, nullable=False),
        sa.Column('finished_at', _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_groups')),
    )
    op.create_index('ix_groups_tenant_id', 'groups', ['tenant', 'id'])
    op.create_index('ix_groups_tenant_status_id', 'groups', ['tenant', 'status', 'id'])
    where = sa.text('finished_at IS NOT NULL')
    op.create_index('ix_groups_finished', 'groups', ['finished_at'], sqlite_where=where, postgresql_where=where)
    op.create_table(
        'members',
        sa.Column('group_id', sa.String(length=36), nullable=False),
        sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('name', sa.String(length=64), nullable=False),
        sa.Column('job_id', sa.String(length=36), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('begun', sa.Boolean(), nullable=False),
        sa.Column('finished_at', _MOMENT, nullable=True),
        sa.Column('metric', sa.Float(), nullable=True),
        sa.Column('outputs', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(['group_id'], ['groups.id'], name=op.f('fk_members_group_id_groups'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('group_id', 'position', name=op.f('pk_members')),
    )
    op.create_index(op.f('ix_members_job_id'), 'members', ['job_id'])


def downgrade() -> None:
    op.drop_table('members')
    op.drop_table('groups')
