"""list by model and status"""

from alembic import op

revision = '5d90a3c7e614'
down_revision = '8c41d7e0b5f2'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_jobs_tenant_model_status_id', 'jobs', ['tenant', 'model', 'status', 'id'])
    op.drop_index('ix_jobs_tenant_model_id', 'jobs')


def downgrade() -> None:
    op.create_index('ix_jobs_tenant_model_id', 'jobs', ['tenant', 'model', 'id'])
    op.drop_index('ix_jobs_tenant_model_status_id', 'jobs')
