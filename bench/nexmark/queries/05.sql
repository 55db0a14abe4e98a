WITH counts AS (
	SELECT
		auction,
		date_bin('2 seconds', date_time, timestamp '2015-01-01')
			- hop * interval '2 seconds' AS window_start,
		count(*) AS num
	FROM bid CROSS JOIN generate_series(0, 4) AS hop
	GROUP BY 1, 2)
SELECT c.auction, c.num, c.window_start
FROM counts AS c
	JOIN (
		SELECT window_start, max(num) AS max_num
		FROM counts
		GROUP BY window_start) AS m
	ON c.window_start = m.window_start AND c.num >= m.max_num
