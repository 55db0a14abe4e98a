-- A live leaderboard: the best ten overall and the best three of each game.
\set ON_ERROR_STOP on
\pset footer off
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS pg_trickle;

CREATE TABLE players (player_id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE scores (
	player_id int NOT NULL REFERENCES players,
	game text NOT NULL,
	points int NOT NULL,
	PRIMARY KEY (game, player_id));
CREATE INDEX ON scores (player_id);

INSERT INTO players SELECT i, 'player ' || i FROM generate_series(1, 5000) AS i;
INSERT INTO scores
	SELECT i, g, (i * 7919 + ascii(g)) % 100003
	FROM generate_series(1, 5000) AS i, unnest('{chess,go,poker}'::text[]) AS g;

-- Who has as many points as the tenth is in the list, too.  The sums of all
-- players are kept in an auxiliary table with an index in this order, so that a
-- refresh reads ten of them.
SELECT pgtrickle.create_stream_table('top_ten', $$
	SELECT p.name, sum(s.points) AS points
	FROM players p JOIN scores s USING (player_id)
	GROUP BY p.player_id, p.name
	ORDER BY points DESC
	FETCH FIRST 10 ROWS WITH TIES $$, schedule => '0s', refresh_mode => 'DIFFERENTIAL');

SELECT pgtrickle.create_stream_table('top_of_game', $$
	SELECT game, place, name, points
	FROM (SELECT game, name, points,
			rank() OVER (PARTITION BY game ORDER BY points DESC) AS place
		  FROM scores JOIN players USING (player_id)) AS ranked
	WHERE place <= 3 $$, schedule => '0s', refresh_mode => 'DIFFERENTIAL');

SELECT game, place, name, points FROM top_of_game ORDER BY game, place, name;

\echo 'player 4711 has a good day, and the best chess player leaves'
UPDATE scores SET points = points + 300000 WHERE player_id = 4711 AND game = 'go';
DELETE FROM scores WHERE game = 'chess' AND points = (SELECT max(points) FROM scores WHERE game = 'chess');

SELECT pgtrickle.refresh_stream_table('top_ten');
SELECT pgtrickle.refresh_stream_table('top_of_game');

SELECT name, points FROM top_ten ORDER BY points DESC, name;
SELECT game, place, name, points FROM top_of_game ORDER BY game, place, name;

\ir verify.sql
