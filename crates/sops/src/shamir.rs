//! Joins the shares of a data key that sops split among key groups (Shamir's scheme over GF(256)).

use zeroize::Zeroizing;

pub(crate) type Share = Zeroizing<Vec<u8>>;

/// The secret, if the shares are of one length and stand at different points. The last byte of a share is its point.
pub(crate) fn combine(shares: &[Share]) -> Option<Zeroizing<Vec<u8>>> {
    let length = shares.first()?.len().checked_sub(1)?;
    if length == 0 || shares.iter().any(|share| share.len() != length + 1) {
        return None;
    }
    let points: Vec<u8> = shares.iter().map(|share| share[length]).collect();
    let weights = weights_at_zero(&points)?;
    let mut secret = Zeroizing::new(vec![0; length]);
    for (index, byte) in secret.iter_mut().enumerate() {
        for (share, weight) in shares.iter().zip(&weights) {
            *byte ^= multiply(share[index], *weight);
        }
    }
    Some(secret)
}

/// Lagrange's basis polynomials at zero; none when a point is zero or stands twice.
fn weights_at_zero(points: &[u8]) -> Option<Vec<u8>> {
    let weight = |(index, point): (usize, &u8)| {
        let mut weight = 1;
        for (other_index, other) in points.iter().enumerate() {
            if other_index != index {
                let distance = point ^ other;
                if distance == 0 {
                    return None;
                }
                weight = multiply(weight, multiply(*other, inverse(distance)));
            }
        }
        (*point != 0).then_some(weight)
    };
    points.iter().enumerate().map(weight).collect()
}

/// Product in the field of AES (x^8 + x^4 + x^3 + x + 1), without branches on the secret.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        product ^= a & (((b >> bit) & 1).wrapping_neg());
        a = (a << 1) ^ (0x1b & (a >> 7).wrapping_neg());
    }
    product
}

/// The inverse is the 254th power.
fn inverse(a: u8) -> u8 {
    (0..253).fold(a, |power, _| multiply(power, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(secret: &[u8], slope: u8, point: u8) -> Share {
        let mut share: Vec<u8> = secret.iter().map(|s| s ^ multiply(slope, point)).collect();
        share.push(point);
        Zeroizing::new(share)
    }

    #[test]
    fn every_element_times_its_inverse_is_one() {
        for a in 1..=255 {
            assert_eq!(multiply(a, inverse(a)), 1);
        }
    }

    #[test]
    fn two_shares_of_a_line_give_its_value_at_zero() {
        let secret = [0, 1, 7, 255];
        let shares = [share(&secret, 77, 3), share(&secret, 77, 200)];
        assert_eq!(combine(&shares).unwrap().as_slice(), secret);
    }

    #[test]
    fn shares_at_one_point_of_other_lengths_or_at_zero_are_refused() {
        let one = share(&[1, 2], 9, 5);
        assert!(combine(&[one.clone(), one.clone()]).is_none());
        assert!(combine(&[one.clone(), share(&[1], 9, 6)]).is_none());
        assert!(combine(&[one, share(&[1, 2], 9, 0)]).is_none());
        assert!(combine(&[]).is_none());
    }
}
