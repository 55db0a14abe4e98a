-- Metrics, as text for Prometheus.

CREATE FUNCTION pgtrickle.metrics(format text DEFAULT 'openmetrics')
RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_metrics';
COMMENT ON FUNCTION pgtrickle.metrics(text) IS
	'metrics of all stream tables of this database, for pg_monitor; format is openmetrics, or prometheus for its older text format';
REVOKE ALL ON FUNCTION pgtrickle.metrics(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtrickle.metrics(text) TO pg_monitor;
