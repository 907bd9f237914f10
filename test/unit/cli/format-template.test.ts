import { describe, expect, test } from 'vitest';
import { compileFormat, compileListFormat } from '../../../src/cli/format-template.ts';

const nets = { front: { IP: '10.0.0.2', Names: [] }, back: { IP: '10.0.0.1', Names: ['a', 'b'] } };
const box = { Name: 'box', Limits: { Memory: 5, Rates: [1, 2] }, Free: undefined, Nets: nets };

test.each([
  ['{{.Name}}', 'box'],
  ['{{ .Name }}/{{.Limits.Memory}}', 'box/5'],
  ['{{json .Name}}', '"box"'],
  ['{{json .Limits}}', '{"Memory":5,"Rates":[1,2]}'],
  ['{{.Limits.Rates}}', '[1,2]'],
  ['{{json .}}', `{"Name":"box","Limits":{"Memory":5,"Rates":[1,2]},"Nets":${JSON.stringify(nets)}}`],
  ['json', `{"Name":"box","Limits":{"Memory":5,"Rates":[1,2]},"Nets":${JSON.stringify(nets)}}`],
  ['a\\tb\\nc', 'a\tb\nc'],
  ['{{.Free}} {{.Limits.Nothing.At.All}}', '<no value> <no value>'],
  ['{{json .Free}}', 'null'],
  ['{{range .Limits.Rates}}<{{.}}>{{end}}!', '<1><2>!'],
  ['{{range .Nets}}{{.IP}}{{range .Names}} {{.}}{{end}};{{end}}', '10.0.0.1 a b;10.0.0.2;'],
  ['{{range .Free}}x{{end}}', ''],
  ['', ''],
])('%s', (format, text) => {
  expect(compileFormat(format, Object.keys(box))(box)).toBe(`${text}\n`);
});

test.each([
  ['{{.Nme}}', 'there is no field Nme'],
  ['{{.constructor}}', 'there is no field constructor'],
  ['{{.Name', 'a {{ has no }}'],
  ['{{range .Name}}', 'a {{range}} has no {{end}}'],
  ['{{.Name}}{{end}}', 'an {{end}} has no {{range}}'],
  ['{{range .Nme}}{{end}}', 'there is no field Nme'],
  ['{{index .Name 0}}', 'neither a field nor json'],
  ['{{Name}}', 'neither a field nor json'],
  ['{{}}', 'neither a field nor json'],
  ['{{.Name | upper}}', 'neither a field nor json'],
])('%s is refused: %s', (format, reason) => {
  expect(() => compileFormat(format, Object.keys(box))).toThrow(
    expect.objectContaining({ code: 'BAD_FORMAT', message: expect.stringContaining(reason) }),
  );
});

describe('a list', () => {
  const titles = { Name: 'NAME', ID: 'CONTAINER ID' };
  const rows = [
    { Name: 'one', ID: 'a' },
    { Name: 'two', ID: 'b' },
  ];

  test('has a line for each row', () => {
    expect(compileListFormat('{{.ID}}={{.Name}}', titles)(rows)).toBe('a=one\nb=two\n');
    expect(compileListFormat('json', titles)(rows)).toBe(
      '{"Name":"one","ID":"a"}\n{"Name":"two","ID":"b"}\n',
    );
  });

  test('has a header with table in front', () => {
    expect(compileListFormat('table {{.ID}}\\t{{.Name}}', titles)(rows)).toBe(
      'CONTAINER ID   NAME\na              one\nb              two\n',
    );
  });
});
