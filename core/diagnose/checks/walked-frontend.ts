/** A frontend with where the packets of its clients end. */
import type { ClientWalks } from '../../program/client-walks.ts';
import type { FrontendDrift } from './frontend-drift.ts';

export interface Walked extends ClientWalks {
  readonly drift: FrontendDrift;
}
