// Measures the status page, and leaves what is wrong in the body's data-found.
(() => {
	const found = [];
	const say = (what, element) =>
		found.length < 5 && found.push(what + ': ' + element.textContent.slice(0, 40));
	const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
	const box = element => element.getBoundingClientRect();
	const all = selector => [...document.querySelectorAll(selector)];

	if (document.documentElement.scrollWidth > window.innerWidth)
		found.push('wider than the window: ' + document.documentElement.scrollWidth);
	if (document.querySelectorAll('script').length !== 1)
		found.push('a script');

	// text of the page: of a size to be read, in its place, beside all other text
	const texts = all('h1,h2,p,.n,.m,.t>div,.c text');
	for (const e of texts) {
		if (parseFloat(getComputedStyle(e).fontSize) < 12)
			say('small', e);
		if (box(e).left < -1 || box(e).right > window.innerWidth + 1)
			say('outside', e);
	}
	texts.forEach((a, i) => texts.slice(i + 1).forEach(b => meet(box(a), box(b)) && say('overlaps', a)));

	// the graph: boxes apart, their text within them
	const boxes = all('.g>svg');
	if (boxes.length < 10)
		found.push('boxes: ' + boxes.length);
	boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => meet(box(a), box(b)) && say('boxes overlap', a)));
	for (const b of boxes) {
		const frame = box(b.querySelector('rect'));
		const [first, second] = b.querySelectorAll('text');

		for (const t of [first, second]) {
			if (parseFloat(getComputedStyle(t).fontSize) < 11)
				say('small', t);
			if (box(t).left < frame.left || box(t).right > frame.right || box(t).bottom > frame.bottom)
				say('out of its box', t);
		}
		if (meet(box(first), box(second)))
			say('lines overlap', b);
	}
	document.body.dataset.found = found.length ? found.join('; ') : 'nothing';
})();
