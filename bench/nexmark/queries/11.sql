SELECT
	bidder,
	count(*) AS bid_count,
	min(date_time) AS start_time,
	max(date_time) + interval '10 seconds' AS end_time
FROM (
	SELECT bidder, date_time, sum(starts) OVER (PARTITION BY bidder ORDER BY date_time) AS session
	FROM (
		SELECT
			bidder,
			date_time,
			CASE WHEN date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time)
				< interval '10 seconds' THEN 0 ELSE 1 END AS starts
		FROM bid) AS gaps) AS sessions
GROUP BY bidder, session
