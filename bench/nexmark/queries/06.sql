SELECT
	seller,
	date_time,
	avg(price) OVER (
		PARTITION BY seller
		ORDER BY date_time
		ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS avg_price
FROM (
	SELECT
		a.seller,
		b.price,
		b.date_time,
		row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS place
	FROM auction AS a JOIN bid AS b ON a.id = b.auction
	WHERE b.date_time BETWEEN a.date_time AND a.expires) AS winner
WHERE place = 1
