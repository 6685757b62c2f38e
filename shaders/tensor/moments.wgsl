// Moments of some numbers: how many, their mean, and the sum of their squared distances from it.

struct Moments { count: f32, mean: f32, squares: f32 }

fn joined(a: Moments, b: Moments) -> Moments {
  if (b.count == 0.0) { return a; }
  if (a.count == 0.0) { return b; }
  let count = a.count + b.count;
  let part = b.count / count;
  let apart = b.mean - a.mean;
  return Moments(
    count, a.mean + apart * part, a.squares + b.squares + apart * apart * (a.count * part));
}
