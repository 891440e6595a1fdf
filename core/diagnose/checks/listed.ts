/** Evidence of what many pods or endpoints share. */
import { hostPort } from '../../net/address.ts';

const most = 10;

/** The lines, or the first ten and how many more there are. */
export function listed(lines: readonly string[]): string[] {
  return lines.length <= most ? [...lines] : [...lines.slice(0, most), `and ${lines.length - most} more`];
}

/** `10.0.0.1:80, 10.0.0.2:80`, or the first ten and how many more there are; empty for none. */
export function placesText(places: readonly { readonly address: string; readonly port: number }[]): string {
  const { length } = places;
  return [
    ...places.slice(0, most).map(({ address, port }) => hostPort(address, port)),
    ...(length > most ? [`and ${String(length - most)} more`] : []),
  ].join(', ');
}

/** `one`, `one, two`, or the first three and how many more there are. */
export function namesText(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
