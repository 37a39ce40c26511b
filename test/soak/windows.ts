/** A time in which something was broken, and what clients may be told because of it. */
export interface Window {
  readonly fault: string;
  /** As `performance.now()` says it. */
  readonly from: number;
  /** When all instances worked again; infinite until then. */
  to: number;
  /** Codes that say so truthfully. */
  readonly codes: readonly string[];
  /** The instance whose connections break; those of none otherwise. */
  readonly instance: number | null;
}

/** A request that wasn't answered as it should have been. */
export interface Failure {
  readonly request: string;
  readonly instance: number;
  /** null where no answer came. */
  readonly status: number | null;
  readonly code: string;
  /** What it was told besides. */
  readonly detail: string;
  readonly from: number;
  readonly to: number;
}

/** The fault that a failure is told truthfully of; null where there is none. */
export function explain(failure: Failure, windows: readonly Window[]): Window | null {
  const isMeant = ({ from, to, codes, instance }: Window): boolean =>
    failure.from <= to &&
    failure.to >= from &&
    (failure.status === null ? instance === failure.instance : codes.includes(failure.code));
  return windows.find(isMeant) ?? null;
}
