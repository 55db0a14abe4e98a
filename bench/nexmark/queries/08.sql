SELECT p.id, p.name, p.window_start
FROM (
	SELECT id, name, date_bin('10 seconds', date_time, timestamp '2015-01-01') AS window_start
	FROM person
	GROUP BY 1, 2, 3) AS p
	JOIN (
		SELECT seller, date_bin('10 seconds', date_time, timestamp '2015-01-01') AS window_start
		FROM auction
		GROUP BY 1, 2) AS a
	ON p.id = a.seller AND p.window_start = a.window_start
