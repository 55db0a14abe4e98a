SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM bid AS b
	JOIN (
		SELECT
			max(price) AS max_price,
			date_bin('10 seconds', date_time, timestamp '2015-01-01') AS window_start
		FROM bid
		GROUP BY window_start) AS w
	ON b.price = w.max_price
		AND b.date_time >= w.window_start
		AND b.date_time < w.window_start + interval '10 seconds'
