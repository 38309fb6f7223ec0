-- Who may do what, for two roles that an operator makes. Run after every migration; without the roles nothing happens.

-- name: grant
-- The view could be written through, with its owner's rights, so only reading it is granted.
DO $$
BEGIN
    IF to_regprocedure('disconnect_shop(text, text, timestamptz)') IS NULL THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cj_workers') THEN
        GRANT USAGE ON SCHEMA public TO cj_workers;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cj_workers;
        REVOKE ALL ON merchant_integrations, integrations, alembic_version FROM cj_workers;
        GRANT SELECT ON integrations, alembic_version TO cj_workers;
        GRANT EXECUTE ON FUNCTION disconnect_shop TO cj_workers;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cj_tokens') THEN
        GRANT USAGE ON SCHEMA public TO cj_tokens;
        GRANT SELECT, INSERT, UPDATE, DELETE ON merchant_integrations TO cj_tokens;
        GRANT SELECT, INSERT, UPDATE ON merchants TO cj_tokens;
        GRANT SELECT, INSERT ON events TO cj_tokens;
        GRANT SELECT ON integrations, alembic_version TO cj_tokens;
    END IF;
END
$$
