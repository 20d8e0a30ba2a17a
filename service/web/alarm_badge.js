export function watchAlarms() {}
