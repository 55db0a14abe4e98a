#!/usr/bin/env python3
"""Apply and undo the mutations of mutations.txt.

	mutation.py list [--all | NAME...]
	mutation.py apply NAME TREE
	mutation.py undo NAME TREE

An entry of mutations.txt:

	= name [quick]
	file: path in the tree
	rebuild: sources to compile, if file is a header of many
	--- text that occurs exactly once in the file
	+++ what stands there instead
	(both may go on over several lines)

A line of the texts that begins with a bar stands for what follows the bar.
"""
import os
import sys


def read(path):
    entries = []
    part = None
    for line in open(path):
        line = line.rstrip('\n')
        if line.startswith('#') or (not line and part is None):
            continue
        if line.startswith('= '):
            words = line.split()
            entries.append({'name': words[1], 'quick': 'quick' in words[2:], 'rebuild': [],
                            'from': [], 'to': []})
            part = None
        elif line.startswith('file: '):
            entries[-1]['file'] = line[6:]
        elif line.startswith('rebuild: '):
            entries[-1]['rebuild'] = line[9:].split()
        elif line.startswith('---'):
            part = 'from'
            entries[-1][part].append(line[4:])
        elif line.startswith('+++'):
            part = 'to'
            entries[-1][part].append(line[4:])
        elif line.startswith('|'):
            entries[-1][part].append(line[1:])
        elif not line:
            part = None
        else:
            sys.exit('mutations.txt: what is "%s"?' % line)
    return entries


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    entries = read(os.path.join(here, 'mutations.txt'))
    what, args = sys.argv[1], sys.argv[2:]
    if what == 'list':
        names = [e['name'] for e in entries]
        if args and args != ['--all']:
            unknown = [a for a in args if a not in names]
            if unknown:
                sys.exit('no such mutation: ' + ' '.join(unknown))
            names = args
        elif not args:
            names = [e['name'] for e in entries if e['quick']]
        print('\n'.join(names))
        return
    entry = next(e for e in entries if e['name'] == args[0])
    path = os.path.join(args[1], entry['file'])
    rebuild = [os.path.join(args[1], f) for f in entry['rebuild']]
    stat = os.stat(path) if os.path.exists(path) else sys.exit('no file ' + entry['file'])
    text = open(path).read()
    if what == 'apply':
        old, new = '\n'.join(entry['from']), '\n'.join(entry['to'])
        if text.count(old) != 1:
            sys.exit('its source text occurs %d times in %s' % (text.count(old), entry['file']))
        os.rename(path, path + '.kept')
        with open(path, 'w') as f:
            f.write(text.replace(old, new))
    else:
        os.rename(path + '.kept', path)
        os.utime(path)
    if rebuild:
        # Everybody includes the header; only those who use the changed text count.
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns) if what == 'apply'
                 else (0, 0))
        for f in rebuild:
            os.utime(f)


if __name__ == '__main__':
    main()
